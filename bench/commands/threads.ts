/**
 * Several threads beside one, in turns, GPT-2 124M's shape with random weights: tokens a second of prefill and decode, and the ratio (the median over
 * the repetitions of the ratio within each).
 * Arguments: [--weights f32,q8,q4] [--cache f32] [--threads 2] [--prompts 128,512] [--context 0] (tokens before decoding) [--repetitions 7] [--shape 124M]
 */
import { parseArgs } from "node:util";
import { interleave } from "../../bindings/bench/measure.ts";
import { randomIds, randomModel } from "../../bindings/bench/random-model.ts";
import { SHAPES } from "../../bindings/bench/shapes.ts";
import type { ShapeName } from "../../bindings/bench/shapes.ts";
import { watchOthers } from "../../bindings/bench/system.ts";
import { load } from "../../bindings/index.ts";
import type { Cache, Model, Weights } from "../../bindings/index.ts";

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "124M" }, weights: { type: "string", default: "f32,q8,q4" }, cache: { type: "string", default: "f32" }, threads: { type: "string", default: "2" },
    prompts: { type: "string", default: "128,512" }, context: { type: "string", default: "0" }, repetitions: { type: "string", default: "7" },
  },
});
const shape = SHAPES[values.shape as ShapeName];
const repetitions = Number(values.repetitions);
const context = Number(values.context);
const others = await watchOthers();

for (const weights of values.weights.split(",") as Weights[]) {
  const options = { weights, cache: values.cache as Cache, maxSequences: 1 };
  const one = await load(randomModel(shape, 1), options);
  const many = await load(randomModel(shape, 1), { ...options, threads: Number(values.threads) });
  if (many.threads.used === 1) throw new Error(`one thread only: ${many.threads.reason}`);
  const compare = async (what: string, rate: (model: Model) => () => number, finish: () => void = () => {}): Promise<void> => {
    const first = rate(one), second = rate(many);
    first();
    second();
    const { reference, rates, shares } = await interleave(repetitions, others, async () => first(), () => second());
    console.log(`${weights}, ${values.cache} cache, ${what}: 1 thread ${reference.median.toFixed(1)}, ${many.threads.used} threads ${rates[0]!.median.toFixed(1)} tokens/s, ${shares[0]!.median.toFixed(2)} ×`);
    finish();
  };
  for (const count of values.prompts.split(",").filter(Boolean).map(Number)) {
    const ids = randomIds(count, shape.vocab_size);
    await compare(`prefill of ${count}`, (model) => () => {
      const sequence = model.sequence();
      const began = performance.now();
      sequence.append(ids);
      const time = performance.now() - began;
      sequence.dispose();
      return (1000 * count) / time;
    });
  }
  await compare(`decode after ${context}`, (model) => {
    const sequence = model.sequence();
    if (context > 0) sequence.append(randomIds(context, shape.vocab_size));
    return () => {
      const began = performance.now();
      for (let i = 0; i < 16; i++) sequence.append(1);
      const time = performance.now() - began;
      sequence.truncate(context);
      return 16_000 / time;
    };
  });
  one.dispose();
  many.dispose();
}
