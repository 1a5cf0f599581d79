import type { Cache, Weights } from "../index.ts";
import { GPT2_VOCABULARY } from "../tokenizer/tokenizer.ts";
import { GROUP } from "../wasm/exports.ts";

/** The shape of a GPT-2, in the names of Hugging Face's config.json. */
export interface Shape {
  readonly n_layer: number;
  readonly n_head: number;
  readonly n_embd: number;
  readonly n_inner: number;
  readonly n_positions: number;
  readonly vocab_size: number;
}

const gpt2 = (n_layer: number, n_head: number, n_embd: number): Shape =>
  ({ n_layer, n_head, n_embd, n_inner: 4 * n_embd, n_positions: 1024, vocab_size: GPT2_VOCABULARY });

/** The published sizes (XL fits in 4 GiB as integers only), and a small one for trying the benchmark itself. */
export const SHAPES = {
  tiny: { ...gpt2(2, 4, 64), n_positions: 1024, vocab_size: 500 },
  distil: gpt2(6, 12, 768),
  "124M": gpt2(12, 12, 768),
  medium: gpt2(24, 16, 1024),
  large: gpt2(36, 20, 1280),
  xl: gpt2(48, 25, 1600),
} as const satisfies Record<string, Shape>;
export type ShapeName = keyof typeof SHAPES;

/** Weights of the layers' four matrices: the multiply-adds that every token of a prefill needs. 84.9 M for GPT-2 124M. */
export function matrixParameters({ n_layer, n_embd, n_inner }: Shape): number {
  return n_layer * (4 * n_embd * n_embd + 2 * n_embd * n_inner);
}

/** All numbers of the checkpoint, the head being the embedding. */
export function parameters(shape: Shape): number {
  const { n_layer, n_embd, n_inner, n_positions, vocab_size } = shape;
  const vectors = n_layer * (4 * n_embd + 3 * n_embd + n_embd + n_inner + n_embd) + 2 * n_embd;
  return matrixParameters(shape) + vectors + (vocab_size + n_positions) * n_embd;
}

/** Weights of matrices that a decode step reads: the layers' and the head's. */
export function decodeWeights(shape: Shape): number {
  return matrixParameters(shape) + shape.vocab_size * shape.n_embd;
}

/** Bytes of a matrix with its scales: int8 has one f32 an output, int4 one for every 32 inputs of an output. */
export function matrixBytes(weights: Weights, inputs: number, outputs: number): number {
  if (weights === "q8") return outputs * (inputs + 4);
  if (weights === "q4") return outputs * (inputs / 2 + 4 * Math.ceil(inputs / GROUP));
  return 4 * inputs * outputs;
}

/** Bytes of the head, which is the embedding. */
export function headBytes({ n_embd, vocab_size }: Shape, weights: Weights): number {
  return matrixBytes(weights, n_embd, vocab_size);
}

/** Bytes of a key or value of all heads; int8 has a f32 scale a head. */
export function cacheRowBytes(cache: Cache, { n_embd, n_head }: Shape): number {
  return cache === "q8" ? n_embd + 4 * n_head : cache === "f16" ? 2 * n_embd : 4 * n_embd;
}

/**
 * Bytes of weights and cache that a decode step has to read at least: every weight and scale once (of the positions one row; the
 * embedding is the head), and keys and values of `context` tokens, the new one included. Padding does not count.
 */
export function decodeBytes(shape: Shape, context: number, weights: Weights = "f32", cache: Cache = "f32"): number {
  const { n_layer, n_embd: C, n_inner: F, n_positions } = shape;
  const floats = parameters(shape) - decodeWeights(shape) - (n_positions - 1) * C;
  const layer = [[C, 3 * C], [C, C], [C, F], [F, C]].reduce((sum, [inputs, outputs]) => sum + matrixBytes(weights, inputs!, outputs!), 0);
  return 4 * floats + n_layer * layer + headBytes(shape, weights) + 2 * n_layer * cacheRowBytes(cache, shape) * context;
}

/**
 * Operations that a prefill of `rows` tokens needs at least, a multiplication and an addition being two: those with every weight of
 * the layers' matrices for each token; in each layer 4 · n_embd · (t + 1) for the scores and the weighted sum of the token at
 * position t; the head once. Norms, softmax, activations, biases and the rounding to integers do not count.
 */
export function prefillOperations(shape: Shape, rows: number): number {
  const attention = shape.n_layer * 4 * shape.n_embd * (rows * (rows + 1) / 2);
  return 2 * matrixParameters(shape) * rows + attention + 2 * shape.n_embd * shape.vocab_size;
}
