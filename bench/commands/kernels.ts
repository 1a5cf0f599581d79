/**
 * Each part of a forward pass alone, at the sizes and in the number that a step of GPT-2 124M has them, so that one sees where a
 * step's time goes. Weights and cache of all layers are gone through in turn: they come from main memory, as in a step.
 *
 * Arguments: [SHAPE] [--context N] [--rows N] [--weights f32|q8|q4] [--cache f32|f16|q8]; rows 1 is a decode step. Repeats each part for
 * about 0.2 s.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Cache, Weights } from "../../bindings/index.ts";
import { median, seconds } from "../../bindings/bench/measure.ts";
import { ModuleModel } from "../module.ts";
import { randomIds } from "../../bindings/bench/random-model.ts";
import { openRooflines } from "../../bindings/bench/roofline.ts";
import { SHAPES, cacheRowBytes, headBytes, matrixBytes, type ShapeName } from "../../bindings/bench/shapes.ts";

interface Parts {
  refresh(model: number): void;
  norm(model: number, layer: number): void;
  quantize(model: number, isInner: number): void;
  attnProduct(model: number, layer: number): void;
  attnProjProduct(model: number, layer: number): void;
  fcProduct(model: number, layer: number): void;
  mlpProjProduct(model: number, layer: number): void;
  headProduct(model: number): void;
  logitsFinite(model: number): number;
  storeCache(model: number, layer: number): void;
  attention(model: number, layer: number): void;
  softmax(model: number): void;
  activation(model: number, layer: number): void;
  residual(model: number, layer: number): void;
}

const root = fileURLToPath(new URL("../../", import.meta.url));

function compile(): Uint8Array<ArrayBuffer> {
  const { options } = JSON.parse(readFileSync(`${root}asconfig.json`, "utf8")) as { options: Record<string, unknown> };
  const flags = Object.entries(options).flatMap(([name, value]) => value === true ? [`--${name}`] : [value].flat().flatMap((one) => [`--${name}`, String(one)]));
  mkdirSync(`${root}build`, { recursive: true });
  execFileSync(process.execPath, ["node_modules/assemblyscript/bin/asc.js", "bench/assembly/kernels.ts", "--config", "none", ...flags, "--outFile", "build/kernels.wasm"], { cwd: root, stdio: "inherit" });
  return new Uint8Array(readFileSync(`${root}build/kernels.wasm`));
}

const { values: flags, positionals: [shapeName = "124M"] } = parseArgs({
  allowPositionals: true,
  options: {
    context: { type: "string", default: "128" }, rows: { type: "string", default: "1" },
    weights: { type: "string", default: "f32" }, cache: { type: "string", default: "f32" },
  },
});
const shape = SHAPES[shapeName as ShapeName];
const { n_layer: L, n_embd: C, n_inner: F, vocab_size: V } = shape;
const context = Number(flags.context);
const rows = Number(flags.rows);
const weights = flags.weights as Weights;
const cache = flags.cache as Cache;

const model = new ModuleModel(await WebAssembly.compile(compile()), shape, context + rows, 1, weights, cache);
const ids = randomIds(context + rows, V);
if (context > 0) model.append(ids.slice(0, context));
model.begin(ids.slice(context));
const parts = model.exports as unknown as Parts;
const { address } = model;

interface Part {
  readonly name: string;
  /** Calls a step. */
  readonly times: number;
  /** Useful operations and bytes from main memory of a call; 0 where only the time is of interest. */
  readonly operations: number;
  readonly bytes: number;
  readonly weights?: number;
  /** Part of the one above: not added to the sum. */
  readonly within?: true;
  readonly call: (layer: number) => void;
}
const small = (name: string, times: number, call: (layer: number) => void): Part => ({ name, times, operations: 0, bytes: 0, call });
const linear = (name: string, K: number, N: number, call: (layer: number) => void): Part =>
  ({ name, times: L, operations: 2 * rows * K * N, bytes: matrixBytes(weights, K, N), weights: K * N, call });
const attended = rows * context + rows * (rows + 1) / 2; // pairs of a row and a token that it sees
const integers = weights !== "f32";
const all: Part[] = [
  small("layer norm, 2 a layer", 2 * L, (layer) => parts.norm(address, layer)),
  ...(integers ? [small("rows to integers, 3 a layer", 3 * L, () => parts.quantize(address, 0)), small("the wide row to integers", L, () => parts.quantize(address, 1))] : []),
  linear("attn.c_attn", C, 3 * C, (layer) => parts.attnProduct(address, layer)),
  small("keys and values to the cache", L, (layer) => parts.storeCache(address, layer)),
  { name: "attention", times: L, operations: 4 * C * attended, bytes: 2 * cacheRowBytes(cache, shape) * (context + rows), call: (layer) => parts.attention(address, layer) },
  { ...small("  its softmax", L, () => parts.softmax(address)), within: true },
  linear("attn.c_proj", C, C, (layer) => parts.attnProjProduct(address, layer)),
  linear("mlp.c_fc", C, F, (layer) => parts.fcProduct(address, layer)),
  small("gelu", L, (layer) => parts.activation(address, layer)),
  linear("mlp.c_proj", F, C, (layer) => parts.mlpProjProduct(address, layer)),
  small("residual, 2 a layer", 2 * L, (layer) => parts.residual(address, layer)),
  { name: "head", times: 1, operations: 2 * C * V, bytes: headBytes(shape, weights), weights: C * V, call: () => parts.headProduct(address) },
  small("logits finite", 1, () => parts.logitsFinite(address)),
];

const roofs = await openRooflines(new Uint8Array(readFileSync(`${root}dist/roofline.wasm`)), 256 * 2 ** 20);
const [unit, unitName] = integers ? [2e9, "G multiply-adds/s"] : [1e9, "GFLOP/s"];
console.log(`${shapeName}, weights ${weights}, cache ${cache}, ${rows === 1 ? "a decode step" : `a step of ${rows} rows`} after ${context} tokens; with shares of reading (GB/s) or of the peak in registers (${unitName})`);
let total = 0;
const lines: [Part, number, string][] = [];
for (const part of all) {
  const reads: number[] = [], peaks: number[] = [];
  const round = (): number => {
    parts.refresh(address);
    if (integers) parts.quantize(address, part.name === "mlp.c_proj" ? 1 : 0);
    peaks.push(integers ? roofs.dotPeak(0.05) : roofs.peak(0.05));
    reads.push(roofs.read(128 * 2 ** 20)); // also leaves nothing of weights and cache in the processor's caches
    return seconds(() => { for (let i = 0; i < part.times; i++) part.call(i % L); });
  };
  let spent = round() + round();
  const times: number[] = [];
  for (spent = 0; (spent < 0.2 || times.length < 3) && times.length < 200;) {
    const time = round();
    times.push(time);
    spent += time;
  }
  const time = median(times);
  if (!part.within) total += time;
  const bytesRate = part.bytes * part.times / time, rate = part.operations * part.times / time;
  const ofWeights = integers && part.weights ? `, ${(part.weights * part.times / time / 1e9).toFixed(1)} G weights/s` : "";
  const bound = rows === 1
    ? part.bytes > 0 ? `${(bytesRate / 1e9).toFixed(1)} GB/s, ${(100 * bytesRate / median(reads)).toFixed(0)} %${ofWeights}` : ""
    : part.operations > 0 && part.name !== "head" ? `${(rate / unit).toFixed(1)} ${unitName}, ${(100 * rate / median(peaks)).toFixed(0)} %` : "";
  lines.push([part, time, bound]);
}
for (const [{ name }, time, bound] of lines) {
  console.log(`${name.padEnd(30)}${(time * 1e3).toFixed(3).padStart(9)} ms${(100 * time / total).toFixed(1).padStart(7)} %   ${bound}`);
}
console.log(`${"sum".padEnd(30)}${(total * 1e3).toFixed(3).padStart(9)} ms`);
