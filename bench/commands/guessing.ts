/**
 * `generate` with guesses beside `generate` without, in turns, GPT-2 124M's shape with random weights: greedy, where such a model soon repeats itself and
 * nearly every guess is right, and drawn, where no text repeats and none is.
 */
import { parseArgs } from "node:util";
import { randomIds, randomModel } from "../../bindings/bench/random-model.ts";
import { interleave } from "../../bindings/bench/measure.ts";
import { SHAPES } from "../../bindings/bench/shapes.ts";
import type { ShapeName } from "../../bindings/bench/shapes.ts";
import { watchOthers } from "../../bindings/bench/system.ts";
import { load } from "../../bindings/index.ts";
import type { GenerateOptions, Weights } from "../../bindings/index.ts";

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "124M" }, weights: { type: "string", default: "f32,q8,q4" }, tokens: { type: "string", default: "96" },
    prompt: { type: "string", default: "128" }, repetitions: { type: "string", default: "5" },
  },
});
const shape = SHAPES[values.shape as ShapeName];
const tokens = Number(values.tokens);
const others = await watchOthers();

for (const weights of values.weights.split(",") as Weights[]) {
  const model = await load(randomModel(shape, 1), { weights, contextLength: 1024, maxSequences: 2 });
  const start = randomIds(Number(values.prompt), shape.vocab_size);
  /** Tokens a second after the first one, and what was written. */
  const run = async (prompt: number[], options: GenerateOptions): Promise<{ rate: number; ids: number[] }> => {
    const ids: number[] = [];
    let began = 0;
    for await (const { id } of model.generate(prompt, { maxTokens: tokens + 1, ignoreEos: true, seed: 1, ...options })) {
      if (ids.length === 0) began = performance.now();
      ids.push(id);
    }
    return { rate: tokens / ((performance.now() - began) / 1000), ids };
  };
  // As far as a greedy text takes to repeat itself.
  const repeating = [...start, ...(await run(start, { temperature: 0, maxTokens: 200 })).ids];
  for (const [what, prompt, temperature] of [["repeats itself", repeating, 0], ["never repeats", start, 1]] as const) {
    const rate = async (speculate: "lookup" | false): Promise<number> => (await run(prompt, { temperature, speculate })).rate;
    const [plain, guessed] = [await run(prompt, { temperature }), await run(prompt, { temperature, speculate: "lookup" })];
    if (plain.ids.join() !== guessed.ids.join()) throw new Error("the texts differ");
    const { reference, rates, shares } = await interleave(Number(values.repetitions), others, () => rate(false), () => rate("lookup"));
    console.log(`${values.shape}, ${weights}, text that ${what}: ${reference.median.toFixed(1)} tokens/s, with guesses ${rates[0]!.median.toFixed(1)}, ${shares[0]!.median.toFixed(2)} × (${shares[0]!.min.toFixed(2)} … ${shares[0]!.max.toFixed(2)})`);
  }
  model.dispose();
}
