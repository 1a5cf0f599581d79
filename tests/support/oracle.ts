/** The module and the oracle on the same checkpoint. */
import { load } from "../../bindings/index.ts";
import type { Model } from "../../bindings/index.ts";
import type { CacheType } from "../oracle/attention.ts";
import { readCheckpoint } from "../oracle/checkpoint.ts";
import type { Checkpoint } from "../oracle/checkpoint.ts";
import { forward } from "../oracle/forward.ts";
import { withIntegers } from "../oracle/matrices.ts";
import type { WeightType } from "../oracle/matrices.ts";
import { sameBits } from "./bits.ts";
import type { Files } from "./models.ts";

export interface Types {
  weights: WeightType;
  cache: CacheType;
}

export const F32: Types = { weights: "f32", cache: "f32" };
export const WEIGHT_TYPES = ["f32", "q8", "q4"] as const;
export const CACHE_TYPES = ["f32", "f16", "q8"] as const;

export const readFiles = (files: Files): Promise<Checkpoint> =>
  readCheckpoint(async (name) => files[name], Object.keys(files).filter((name) => name.endsWith(".safetensors")));

/** Runs `use` with the module's model and the checkpoint for the oracle, both of these types, and disposes the model. */
export async function both<T>(files: Files, use: (model: Model, checkpoint: Checkpoint) => T | Promise<T>, types = F32): Promise<T> {
  const checkpoint = withIntegers(await readFiles(files), types.weights);
  const model = await load(files, types);
  try {
    return await use(model, checkpoint);
  } finally {
    model.dispose();
  }
}

/** Every logit, hidden state and attention probability. */
export function assertEqual(model: Model, checkpoint: Checkpoint, ids: number[], where: string, cache: CacheType = "f32"): void {
  const expected = forward(checkpoint, ids, {}, cache);
  const traced = model.trace(ids, { hiddenStates: true, attentions: true });
  sameBits(traced.logits, expected.logits, `${where}: logits`);
  expected.hiddenStates.forEach((state, i) => sameBits(traced.hiddenStates![i], state, `${where}: hidden ${i}`));
  expected.attentions.forEach((probabilities, l) => sameBits(traced.attentions![l], probabilities, `${where}: attention ${l}`));
}
