/** Checkpoints of any shape with random weights, the same in every runtime for a seed. */
import { safetensorsOf } from "./reference-edit.ts";
import type { RawTensor } from "./reference-edit.ts";

export interface Shape {
  n_embd: number;
  n_head: number;
  n_layer: number;
  n_inner: number;
  vocab_size: number;
  n_positions: number;
  [field: string]: unknown;
}

/** Numbers in [−1, 1), one after another: the high bits of a linear congruential generator. */
export function randomNumbers(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >> 7) * 2 ** -24;
  };
}

/** `scale` multiplies all matrices: 1 gives scores and logits of a few units. */
export function randomCheckpoint(shape: Shape, seed: number, scale = 1): Record<string, Uint8Array<ArrayBuffer>> {
  const { n_embd: C, n_inner: F, vocab_size: V, n_positions: P } = shape;
  const next = randomNumbers(seed);
  const tensors = new Map<string, RawTensor>();
  const put = (name: string, dimensions: number[], width: number, around = 0): void => {
    const values = Float32Array.from({ length: dimensions.reduce((a, b) => a * b) }, () => around + next() * width);
    tensors.set(name, { dtype: "F32", shape: dimensions, bytes: new Uint8Array(values.buffer) });
  };
  const norm = (name: string): void => {
    put(`${name}.weight`, [C], 0.5, 1);
    put(`${name}.bias`, [C], 0.5);
  };
  const linear = (name: string, K: number, N: number): void => {
    put(`${name}.weight`, [K, N], (3 * scale) / Math.sqrt(K));
    put(`${name}.bias`, [N], 0.5);
  };
  put("wte.weight", [V, C], scale);
  put("wpe.weight", [P, C], 0.5 * scale);
  for (let layer = 0; layer < shape.n_layer; layer++) {
    norm(`h.${layer}.ln_1`);
    linear(`h.${layer}.attn.c_attn`, C, 3 * C);
    linear(`h.${layer}.attn.c_proj`, C, C);
    norm(`h.${layer}.ln_2`);
    linear(`h.${layer}.mlp.c_fc`, C, F);
    linear(`h.${layer}.mlp.c_proj`, F, C);
  }
  norm("ln_f");
  return {
    "config.json": new TextEncoder().encode(JSON.stringify({ model_type: "gpt2", ...shape })),
    "model.safetensors": safetensorsOf(tensors),
  };
}
