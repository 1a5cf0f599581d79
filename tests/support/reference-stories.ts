/** The stories model and what is expected of it: models/stories/expected.json, tests/fixtures/stories-validation.json. */
import { load } from "../../bindings/index.ts";
import type { LoadOptions, Model } from "../../bindings/index.ts";
import { assert } from "./assert.ts";
import { fixtureText, repositoryUrl, storiesText } from "./files.ts";

export interface Expected {
  model_sha256: string;
  validation_sha256: string;
  tokens: number;
  windows: number;
  predictions: number;
  mean_nll: number;
  greedy: { prompt: string; prompt_ids: number[]; ids: number[]; smallest_margin: number }[];
}

export interface Validation {
  /** Σ −log p of each window in float64. */
  nll: number[];
  /** What float32 in numpy differs from it by, in the mean of a window and in a logit. */
  f32_mean_diff: number;
  f32_max_abs_diff: number;
}

export const WINDOW = 512;

export const readExpected = async (): Promise<Expected> => JSON.parse(await storiesText("expected.json"));
export const readValidation = async (): Promise<Validation> => JSON.parse(await fixtureText("stories-validation.json"));

/** The F16 weights that were trained and measured; the package has what they are in int8. */
export const loadOriginal = (options?: LoadOptions): Promise<Model> => load(repositoryUrl("models/stories/original/"), options);

/** Tokens of validation.txt. */
export async function validationIds(model: Model): Promise<Uint32Array> {
  const ids = Uint32Array.from(model.tokenizer!.encode(await storiesText("validation.txt")));
  assert.equal(ids.length, (await readExpected()).tokens);
  return ids;
}

/** Σ −log p over a window's predictions, in float64 from the module's logits, and their number. */
export function windowLoss(model: Model, ids: Uint32Array, window: number): { loss: number; predictions: number } {
  const tokens = ids.subarray(window * WINDOW, (window + 1) * WINDOW);
  const sequence = model.sequence();
  const logits = sequence.prefill(tokens, { all: true });
  sequence.dispose();
  const width = model.config.vocab_size;
  let loss = 0;
  for (let t = 1; t < tokens.length; t++) {
    const row = logits.subarray((t - 1) * width, t * width);
    let largest = -Infinity;
    for (let v = 0; v < width; v++) if (row[v] > largest) largest = row[v];
    let total = 0;
    // What is left out adds up to less than 50257 · e⁻⁴⁰, 2e-13 of the total.
    for (let v = 0; v < width; v++) if (row[v] > largest - 40) total += Math.exp(row[v] - largest);
    loss += Math.log(total) + largest - row[tokens[t]];
  }
  return { loss, predictions: tokens.length - 1 };
}
