/**
 * Milliseconds from starting a fresh Node process to the first token of the embedded model, and where they go.
 * Arguments: [--processes 10] [--prompt TEXT] [--json]
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { spread, type Spread } from "../../bindings/bench/measure.ts";
import { shownSpread } from "../../bindings/bench/report.ts";
import { describeSystem } from "../../bindings/bench/system.ts";

const { values } = parseArgs({
  options: { processes: { type: "string", default: "10" }, prompt: { type: "string", default: "Once upon a time" }, json: { type: "boolean", default: false } },
});
const processes = Number(values.processes);
const child = fileURLToPath(new URL("../../bench/first-token.mjs", import.meta.url));

type Marks = Record<"began" | "imported" | "compiling" | "firstBytes" | "lastBytes" | "loaded" | "encoded" | "prefilled" | "token", number> & { text: string };

function run(mode: "whole" | "parts"): { start: number; marks: Marks } {
  const start = performance.timeOrigin + performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, [child, mode, values.prompt], { encoding: "utf8" });
  if (status !== 0) throw new Error(`The process that was measured failed:\n${stderr}`);
  return { start, marks: JSON.parse(stdout) as Marks };
}

const whole: number[] = [];
const parts: Record<string, number[]> = {};
for (let process = 0; process <= processes; process++) {
  const one = run("whole");
  const { start, marks } = run("parts");
  if (one.marks.text !== marks.text) throw new Error(`The two ways of asking gave different tokens: ${JSON.stringify([one.marks.text, marks.text])}`);
  if (process === 0) continue; // it brought the files into the system's cache
  whole.push(one.marks.token - one.start);
  const spent: Record<string, number> = {
    "start of Node": marks.began - start,
    "import of the package": marks.imported - marks.began,
    "load": marks.loaded - marks.imported,
    "  in it: compiling and instantiating the module, beside the files' headers and the tokenizer": marks.compiling,
    "  in it: from the weights' first bytes to the last: reading, inflating, packing": marks.lastBytes - marks.firstBytes,
    "encoding the prompt": marks.encoded - marks.loaded,
    "prefill": marks.prefilled - marks.encoded,
    "first token": marks.token - marks.prefilled,
  };
  for (const [name, time] of Object.entries(spent)) (parts[name] ??= []).push(time);
}

const system = await describeSystem();
const result = {
  system, inputs: { prompt: values.prompt, processes, excluded: "the first process of each kind, which brings the files into the system's cache" },
  milliseconds: spread(whole), parts: Object.fromEntries(Object.entries(parts).map(([name, times]): [string, Spread] => [name, spread(times)])),
};
if (values.json) console.log(JSON.stringify(result, null, 2));
else {
  console.log(`${system.runtime} ${system.version}, ${system.cpu}, ${processes} fresh processes: milliseconds, median (lowest–highest)`);
  console.log(`first token of the embedded model: ${shownSpread(result.milliseconds, 1, 0)}`);
  for (const [name, time] of Object.entries(result.parts)) console.log(`  ${name.padEnd(94)}${shownSpread(time)}`);
}
