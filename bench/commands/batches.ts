/**
 * `generate` calls at the same time beside one alone, in turns, GPT-2 124M's shape with random weights: tokens a second of all of them together,
 * and as a share of what many rows can give: prefill of 128 tokens with the logits of each.
 */
import { parseArgs } from "node:util";
import { interleave } from "../../bindings/bench/measure.ts";
import { randomIds, randomModel } from "../../bindings/bench/random-model.ts";
import { SHAPES } from "../../bindings/bench/shapes.ts";
import type { ShapeName } from "../../bindings/bench/shapes.ts";
import { watchOthers } from "../../bindings/bench/system.ts";
import { load } from "../../bindings/index.ts";
import type { Cache, Weights } from "../../bindings/index.ts";

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "124M" }, weights: { type: "string", default: "f32,q8,q4" }, cache: { type: "string", default: "f32" },
    sequences: { type: "string", default: "8,32" }, tokens: { type: "string", default: "16" }, repetitions: { type: "string", default: "5" },
  },
});
const shape = SHAPES[values.shape as ShapeName];
const tokens = Number(values.tokens);
const counts = values.sequences.split(",").map(Number);
const others = await watchOthers();

for (const weights of values.weights.split(",") as Weights[]) {
  const model = await load(randomModel(shape, 1), { weights, cache: values.cache as Cache, contextLength: 256, maxSequences: Math.max(...counts) + 1 });
  const rows = randomIds(128, shape.vocab_size);
  /** Tokens a second of many rows, each with its logits. */
  const most = (): number => {
    const sequence = model.sequence();
    const began = performance.now();
    sequence.prefill(rows, { all: true });
    const rate = rows.length / ((performance.now() - began) / 1000);
    sequence.dispose();
    return rate;
  };
  /** Tokens a second of so many generations, after the first token of each. */
  const together = async (count: number): Promise<number> => {
    const generations = Array.from({ length: count }, (_, i) => model.generate([i + 1], { maxTokens: tokens + 1, ignoreEos: true, temperature: 0, prefixCache: false }));
    await Promise.all(generations.map((generation) => generation.next()));
    const began = performance.now();
    await Promise.all(generations.map(async (generation) => { for await (const _ of generation); }));
    return (count * tokens) / ((performance.now() - began) / 1000);
  };
  for (const count of [1, ...counts]) await together(count);
  for (const count of counts) {
    const { reference, rates, shares } = await interleave(Number(values.repetitions), others, async () => most(), () => together(count), () => together(1));
    console.log(`${values.shape}, ${weights}, ${count} at a time: ${rates[0]!.median.toFixed(0)} tokens/s, ${(100 * shares[0]!.median).toFixed(0)} % of the ${reference.median.toFixed(0)} of many rows with logits; one alone ${rates[1]!.median.toFixed(0)}`);
  }
  model.dispose();
}
