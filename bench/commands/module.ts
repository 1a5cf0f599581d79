/**
 * Decode and prefill of GPT-2 124M's shape on the bare module, without the bindings, and where a step's time goes: the loop for work on
 * kernels. About 15 seconds. Arguments: [SHAPE] [REPETITIONS] [--weights f32|q8|q4] [--cache f32|f16|q8] [--module FILE]
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import type { Cache, Weights } from "../../bindings/index.ts";
import { interleave, median, seconds } from "../../bindings/bench/measure.ts";
import { ModuleModel } from "../module.ts";
import { randomIds } from "../../bindings/bench/random-model.ts";
import { shownSpread } from "../../bindings/bench/report.ts";
import { openRooflines } from "../../bindings/bench/roofline.ts";
import { SHAPES, decodeBytes, decodeWeights, headBytes, prefillOperations, type ShapeName } from "../../bindings/bench/shapes.ts";
import { watchOthers } from "../../bindings/bench/system.ts";

const { values, positionals: [shapeName = "124M", repetitionsText = "2"] } = parseArgs({
  allowPositionals: true, options: { weights: { type: "string", default: "f32" }, cache: { type: "string", default: "f32" }, module: { type: "string", default: "kvasm.wasm" } },
});
const weights = values.weights as Weights;
const cache = values.cache as Cache;
const repetitions = Number(repetitionsText);
const shape = SHAPES[shapeName as ShapeName];
const file = (name: string): Promise<Uint8Array<ArrayBuffer>> =>
  readFile(new URL(`../../dist/${name}`, import.meta.url)).then((bytes) => new Uint8Array(bytes));

const module = await WebAssembly.compile(await file(values.module));
const context = Math.min(1024, shape.n_positions);
const model = new ModuleModel(module, shape, context, 1, weights, cache);
const ids = randomIds(context, shape.vocab_size);
const roofs = await openRooflines(await file("roofline.wasm"), decodeBytes(shape, 904, weights, cache));

// One prefill of 21 tokens, and the same token by token: the same bits, or the speeds mean nothing.
const bits = (): Uint32Array => {
  const view = model.logits();
  return new Uint32Array(view.slice().buffer);
};
model.append(ids.slice(0, 21));
const whole = bits();
model.truncate(0);
for (const id of ids.slice(0, 21)) model.append([id]);
const differing = bits().filter((word, index) => word !== whole[index]).length;
console.log(`weights ${weights}, cache ${cache}: ${differing === 0 ? "prefill and decode agree in every bit" : `NOT THE SAME BITS: ${differing} logits differ between prefill and decode`}`);

function steps(length: number, count: number): void {
  model.truncate(length);
  for (let step = 0; step < count; step++) model.append([ids[length + step]!]);
}
const others = await watchOthers();
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

const [unit, unitName] = weights === "f32" ? [1e9, "GFLOP/s"] : [2e9, "G multiply-adds/s"];
for (const rows of [128, 512]) {
  const prefill = (): number => {
    model.truncate(0);
    return prefillOperations(shape, rows) / seconds(() => model.append(ids.slice(0, rows)));
  };
  prefill();
  const peak = (): number => weights === "f32" ? roofs.peak() : roofs.dotPeak();
  const { reference, rates: [rate], shares: [share] } = await interleave(repetitions + 1, others, peak, prefill);
  console.log(`prefill of ${rows}: ${shownSpread(rate!, prefillOperations(shape, rows) / rows, 0)} tokens/s, ${shownSpread(rate!, unit)} of ${shownSpread(reference, unit)} ${unitName}, ${shownSpread(share!, 0.01)} %`);
}
for (const length of [128, 900]) {
  model.truncate(0);
  model.append(ids.slice(0, length));
  steps(length, 4);
  let bytes = 0;
  for (let token = 1; token <= 4; token++) bytes += decodeBytes(shape, length + token, weights, cache);
  const decode = (): number => bytes / seconds(() => steps(length, 4));
  const { reference, rates: [rate], shares: [share] } = await interleave(8 * repetitions, others, () => roofs.read(bytes / 4), decode);
  const each = bytes / 4;
  console.log(`decode at ${length}: ${shownSpread(rate!, each)} tokens/s, ${shownSpread(rate!, 1e9 * each / decodeWeights(shape))} G weights/s, ${shownSpread(rate!, 1e9)} of ${shownSpread(reference, 1e9)} GB/s, ${shownSpread(share!, 0.01)} %`);
  const parts = Array.from({ length: 12 }, () => { model.truncate(length); return model.appendTimed([ids[length]!]); });
  const layers = median(parts.map((part) => part.layers));
  const head = median(parts.map((part) => part.head));
  const ofHead = headBytes(shape, weights);
  const ofLayers = decodeBytes(shape, length + 1, weights, cache) - ofHead;
  const read = reference.median;
  console.log(`  layers ${(layers * 1e3).toFixed(2)} ms, ${percent(ofLayers / layers / read)}; head ${(head * 1e3).toFixed(2)} ms, ${percent(ofHead / head / read)} of read`);
}
