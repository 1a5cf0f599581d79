/** Texts generated with guesses and without: the same, token for token, or else an error that names the prompt. */
import type { GenerateOptions, GeneratedToken, Model } from "../../bindings/index.ts";
import { assert } from "./assert.ts";
import { randomOf } from "./damage.ts";

export async function collected(model: Model, prompt: number[] | string, options: GenerateOptions): Promise<GeneratedToken[]> {
  const items = [];
  for await (const item of model.generate(prompt, options)) items.push(item);
  return items;
}

/** Options of all kinds; few tokens are likely, so that guesses are often right, and often wrong. */
function optionsOf(seed: number, vocabSize: number): GenerateOptions {
  const random = randomOf(seed + 1);
  const options: GenerateOptions = { maxTokens: 1 + random(30), ignoreEos: random(2) === 0, logprobs: random(2) === 0, seed, temperature: [0, 0, 0.3, 1, 3][random(5)]! };
  if (random(3) === 0) options.topK = 1 + random(4);
  if (random(4) === 0) options.topP = 0.5;
  if (random(3) === 0) options.repetitionPenalty = 1.3;
  if (random(3) === 0) options.presencePenalty = 0.7;
  if (random(3) === 0) options.frequencyPenalty = 0.4;
  if (random(4) === 0) options.logitBias = { [random(vocabSize)]: 3, [random(vocabSize)]: -3 };
  if (random(4) === 0) options.keep = 1 + random(10);
  if (random(3) === 0) options.prefixCache = false;
  return options;
}

/** @returns tokens in all */
export async function sameWithGuesses(model: Model, first: number, count: number, speculate: GenerateOptions["speculate"] = "lookup"): Promise<number> {
  const { vocab_size } = model.config;
  let tokens = 0;
  for (let seed = first; seed < first + count; seed++) {
    const random = randomOf(seed * 3 + 2);
    const phrase = Array.from({ length: 1 + random(6) }, () => random(vocab_size));
    const prompt = Array.from({ length: 1 + random(model.contextLength - 1) }, (_, i) => (random(8) === 0 ? random(vocab_size) : phrase[i % phrase.length]!));
    const options = optionsOf(seed, vocab_size);
    const expected = await collected(model, prompt, options);
    assert.deepEqual(await collected(model, prompt, { ...options, speculate }), expected, `prompt ${seed}`);
    tokens += expected.length;
  }
  assert.equal(model.freePages, model.pages);
  return tokens;
}
