/** What golden.json freezes, computed by the oracle: bits of logits, of distributions and of draws. */
import type { CacheType } from "./attention.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { forward } from "./forward.ts";
import { withIntegers } from "./matrices.ts";
import type { WeightType } from "./matrices.ts";
import { NEUTRAL, distribution, draw } from "./sampler.ts";
import type { Settings } from "./sampler.ts";

export interface GoldenModel {
  folder: string;
  ids: number[];
  /** SHA-256 of the logits of all positions, [T][vocab_size] in binary32, little endian. */
  logits: string;
  /** Of the hidden states, [n_layer + 1][T][n_embd]. */
  hiddenStates: string;
}

export interface Golden {
  /** docs/NUMERICS.md */
  numerics: number;
  models: GoldenModel[];
  /** The same with other types of weights and cache. */
  integers: (GoldenModel & { weights: WeightType; cache: CacheType })[];
  sampling: {
    folder: string;
    ids: number[];
    seed: number;
    settings: Partial<Settings>;
    /** What is drawn, one token after another, from the first position after `ids` on. */
    drawn: number[];
    /** SHA-256 of the distributions drawn from, [drawn][vocab_size] in binary32. */
    distributions: string;
  }[];
}

/** Lower-case hexadecimal SHA-256 of binary32 numbers, little endian on every host. */
export async function digest(values: Float32Array): Promise<string> {
  const bytes = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, i) => bytes.setFloat32(i * 4, value, true));
  const hash = new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", bytes.buffer as ArrayBuffer));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function concatenated(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

export async function goldenModel(folder: string, checkpoint: Checkpoint, ids: number[], cache: CacheType = "f32"): Promise<GoldenModel> {
  const { logits, hiddenStates } = forward(checkpoint, ids, {}, cache);
  return { folder, ids, logits: await digest(logits), hiddenStates: await digest(concatenated(hiddenStates)) };
}

export async function goldenIntegers(
  folder: string, checkpoint: Checkpoint, ids: number[], weights: WeightType, cache: CacheType,
): Promise<Golden["integers"][number]> {
  return { ...(await goldenModel(folder, withIntegers(checkpoint, weights), ids, cache)), weights, cache };
}

export async function goldenSampling(
  folder: string, checkpoint: Checkpoint, ids: number[], seed: number, count: number, settings: Partial<Settings>,
): Promise<Golden["sampling"][number]> {
  const all = { ...NEUTRAL, ...settings };
  const history = [...ids];
  const distributions: Float32Array[] = [];
  for (let i = 0; i < count; i++) {
    const last = forward(checkpoint, history).logits.slice(-checkpoint.config.vocab_size);
    distributions.push(distribution(last, all, history));
    history.push(draw(last, all, history, seed, history.length));
  }
  return { folder, ids, seed, settings, drawn: history.slice(ids.length), distributions: await digest(concatenated(distributions)) };
}
