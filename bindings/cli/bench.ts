import { runBench } from "../bench/bench.ts";
import type { BenchOptions } from "../bench/bench.ts";
import { benchReport } from "../bench/report.ts";
import { source } from "./model.ts";
import { stopping, write, writeJson } from "./terminal.ts";

export interface BenchFlags extends Pick<BenchOptions, "shape" | "weights" | "cache" | "beside" | "seed" | "contexts" | "prompts" | "repetitions"> {
  model?: string;
  json?: true;
}

/** `kvasm bench`: what is being done goes to a terminal's standard error, the result to standard output. */
export async function bench({ model, json, ...options }: BenchFlags): Promise<number> {
  const signal = stopping();
  const path = source(model);
  const result = await runBench({
    ...options, signal,
    ...(path !== undefined && { model: path }),
    ...(process.stderr.isTTY && { onProgress: (doing) => void process.stderr.write(`\r\x1b[K${doing} …`) }),
  }).finally(() => {
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  });
  if (json) await writeJson(result, signal);
  else await write(benchReport(result) + "\n", signal);
  return 0;
}
