/** Saving and restoring 900 tokens of GPT-2 124M's shape beside copying the same bytes, and beside computing them: for each type of cache. */
import { parseArgs } from "node:util";
import { randomIds, randomModel } from "../../bindings/bench/random-model.ts";
import { interleave, seconds } from "../../bindings/bench/measure.ts";
import { SHAPES } from "../../bindings/bench/shapes.ts";
import type { ShapeName } from "../../bindings/bench/shapes.ts";
import { watchOthers } from "../../bindings/bench/system.ts";
import { load } from "../../bindings/index.ts";
import type { Cache, Weights } from "../../bindings/index.ts";

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "124M" }, weights: { type: "string", default: "f32" }, caches: { type: "string", default: "f32,f16,q8" },
    tokens: { type: "string", default: "900" }, repetitions: { type: "string", default: "9" },
  },
});
const shape = SHAPES[values.shape as ShapeName];
const weights = values.weights as Weights;
const tokens = Number(values.tokens);
const others = await watchOthers();
const share = ({ median }: { median: number }): string => `${(100 * median).toFixed(0)} %`;

for (const cache of values.caches.split(",") as Cache[]) {
  const model = await load(randomModel(shape, 1), { weights, cache, maxSequences: 2 });
  const ids = randomIds(tokens, shape.vocab_size);
  const sequence = model.sequence();
  sequence.append(ids.slice(0, 64)); // not counted
  sequence.truncate(0);
  const prefill = seconds(() => sequence.append(ids));
  const weightsSum = seconds(() => sequence.save());
  const bytes = sequence.save();
  const room = bytes.slice();
  const rate = (call: () => unknown): number => bytes.length / seconds(call) / 2 ** 30;
  const restore = (): number => {
    const start = performance.now();
    const restored = model.restore(bytes);
    const elapsed = performance.now() - start;
    restored.dispose();
    return bytes.length / (elapsed / 1000) / 2 ** 30;
  };
  restore();
  const repetitions = Number(values.repetitions);
  // What is saved goes to new memory, what is restored to memory that is there.
  const saving = await interleave(repetitions, others, () => rate(() => new Uint8Array(bytes.length).set(bytes)), () => rate(() => sequence.save()));
  const restoring = await interleave(repetitions, others, () => rate(() => room.set(bytes)), restore);
  const restoreSeconds = bytes.length / 2 ** 30 / restoring.rates[0]!.median;
  console.log(`${values.shape}, ${weights} weights, ${cache} cache, ${tokens} tokens: ${(bytes.length / 2 ** 20).toFixed(1)} MiB
  save     ${saving.rates[0]!.median.toFixed(2)} GiB/s, ${share(saving.shares[0]!)} of copying to new memory (${saving.reference.median.toFixed(2)} GiB/s)
  restore  ${restoring.rates[0]!.median.toFixed(2)} GiB/s, ${share(restoring.shares[0]!)} of copying to memory that is there (${restoring.reference.median.toFixed(2)} GiB/s)
  restore  ${(restoreSeconds * 1000).toFixed(1)} ms, prefill ${(prefill * 1000).toFixed(0)} ms: ${(prefill / restoreSeconds).toFixed(0)} ×
  the first save of a model, with the checksum of its weights: ${(weightsSum * 1000).toFixed(0)} ms`);
  model.dispose();
}
