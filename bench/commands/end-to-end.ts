/** Decode and prefill beside the machine's limits, as `kvasm bench`: the quick way in while working on the module. */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { runBench, type BenchOptions } from "../../bindings/bench/bench.ts";
import { benchReport } from "../../bindings/bench/report.ts";
import type { Cache, Weights } from "../../bindings/index.ts";
import type { ShapeName } from "../../bindings/bench/shapes.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean" }, json: { type: "boolean" }, shape: { type: "string" }, contexts: { type: "string" },
    prompts: { type: "string" }, repetitions: { type: "string" }, model: { type: "string" },
    weights: { type: "string" }, cache: { type: "string" }, beside: { type: "string" },
  },
});
const list = (text: string): number[] => text.split(",").filter(Boolean).map(Number);
const options: BenchOptions = {
  rooflineWasm: new Uint8Array(await readFile(new URL("../../dist/roofline.wasm", import.meta.url))),
  ...(values.quick && { repetitions: 2 }),
  ...(values.shape !== undefined && { shape: values.shape as ShapeName }),
  ...(values.model !== undefined && { model: values.model }),
  ...(values.weights !== undefined && { weights: values.weights as Weights }),
  ...(values.cache !== undefined && { cache: values.cache as Cache }),
  ...(values.beside !== undefined && { beside: values.beside as Weights }),
  ...(values.contexts !== undefined && { contexts: list(values.contexts) }),
  ...(values.prompts !== undefined && { prompts: list(values.prompts) }),
  ...(values.repetitions !== undefined && { repetitions: Number(values.repetitions) }),
};
const result = await runBench(options);
console.log(values.json ? JSON.stringify(result, null, 2) : benchReport(result));
