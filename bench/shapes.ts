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
  ({ n_layer, n_head, n_embd, n_inner: 4 * n_embd, n_positions: 1024, vocab_size: 50257 });

/** The published sizes that fit in 4 GiB as f32, and a small one for trying the benchmark itself. */
export const SHAPES = {
  tiny: { ...gpt2(2, 4, 64), n_positions: 1024, vocab_size: 500 },
  distil: gpt2(6, 12, 768),
  "124M": gpt2(12, 12, 768),
  medium: gpt2(24, 16, 1024),
  large: gpt2(36, 20, 1280),
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

/**
 * Bytes of weights and cache that a decode step has to read at least: every weight once in f32 (of the positions one row; the
 * embedding is the head), and keys and values of `context` tokens, the new one included. Padding does not count.
 */
export function decodeBytes(shape: Shape, context: number): number {
  const { n_layer, n_embd, n_positions } = shape;
  const weights = parameters(shape) - (n_positions - 1) * n_embd;
  return 4 * (weights + 2 * n_layer * n_embd * context);
}

/**
 * Floating-point operations that a prefill of `rows` tokens needs at least: two for every weight of the layers' matrices and
 * token; in each layer 4 · n_embd · (t + 1) for the scores and the weighted sum of the token at position t; the head
 * once. Norms, softmax, activations and biases do not count.
 */
export function prefillFlops(shape: Shape, rows: number): number {
  const attention = shape.n_layer * 4 * shape.n_embd * (rows * (rows + 1) / 2);
  return 2 * matrixParameters(shape) * rows + attention + 2 * shape.n_embd * shape.vocab_size;
}
