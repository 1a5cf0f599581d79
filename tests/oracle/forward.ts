/** "The forward pass" of docs/NUMERICS.md. Matrices are row-major Float32Arrays; shapes stand beside them. */
import { ACTIVATIONS } from "./activations.ts";
import { CACHE_OPERATIONS, headCache } from "./attention.ts";
import type { CacheOperations, CacheType } from "./attention.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { exp } from "./elementary.ts";
import { add, divide, laneSum, multiply, squareRoot, subtract } from "./float.ts";

const { fround } = Math;

/** What a negative control replaces, to see that the order of operations shows. */
export interface Operations extends CacheOperations {
  laneSum(x: Float32Array): number;
  linear(x: Float32Array, weight: Float32Array, bias: Float32Array): Float32Array;
  exp(x: number): number;
}

/** Layer norm of one row [C]. */
function layerNorm(x: Float32Array, gain: Float32Array, bias: Float32Array, epsilon: number, operations: Operations): Float32Array {
  const width = x.length;
  const mean = divide(operations.laneSum(x), width);
  const d = x.map((value) => subtract(value, mean));
  const variance = divide(operations.laneSum(d.map((value) => multiply(value, value))), width);
  const r = divide(1, squareRoot(add(variance, fround(epsilon))));
  return d.map((value, c) => add(multiply(multiply(value, r), gain[c]), bias[c]));
}

/** y[N] = x[K] · W[K][N] + b[N]: for each n one running sum from +0, k ascending; the bias last. */
export function linear(x: Float32Array, weight: Float32Array, bias: Float32Array): Float32Array {
  const outputs = bias.length;
  const y = new Float32Array(outputs);
  for (let k = 0; k < x.length; k++) {
    const value = x[k];
    const row = k * outputs;
    for (let n = 0; n < outputs; n++) y[n] = fround(y[n] + fround(value * weight[row + n]));
  }
  for (let n = 0; n < outputs; n++) y[n] = fround(y[n] + bias[n]);
  return y;
}

const OPERATIONS: Operations = { laneSum, linear, exp, ...CACHE_OPERATIONS };

/** One row's logits [V] from its final-norm row [C]; head [V][C]. */
export function head(normed: Float32Array, weight: Float32Array): Float32Array {
  const width = normed.length;
  const logits = new Float32Array(weight.length / width);
  for (let v = 0; v < logits.length; v++) {
    let sum = 0;
    for (let c = 0; c < width; c++) sum = fround(sum + fround(normed[c] * weight[v * width + c]));
    logits[v] = sum;
  }
  return logits;
}

/** The factor of the scores of layer l (0-based). */
function attentionScale(config: Checkpoint["config"], layer: number): number {
  let scale = config.scale_attn_weights ? 1 / Math.sqrt(config.n_embd / config.n_head) : 1;
  if (config.scale_attn_by_inverse_layer_idx) scale = scale / (layer + 1);
  return fround(scale);
}

export interface Result {
  /** [T][V] */
  logits: Float32Array;
  /** n_layer + 1 of [T][C]: embeddings, then each block's output, the last one after the final norm. */
  hiddenStates: Float32Array[];
  /** n_layer of [H][T][T]; +0 above the diagonal. */
  attentions: Float32Array[];
  /** [T][C], the last block's output. */
  beforeFinalNorm: Float32Array;
  /** n_layer of [T][C] each, as they come to the cache. */
  keys: Float32Array[];
  values: Float32Array[];
}

/**
 * The whole of a sequence at once. No row reads a later one. Weights are integers if the checkpoint has them (withIntegers in
 * matrices.ts).
 */
export function forward(
  checkpoint: Checkpoint, ids: ArrayLike<number>, changed: Partial<Operations> = {}, cache: CacheType = "f32",
): Result {
  const operations = { ...OPERATIONS, ...changed };
  const { config, tensors, matrices } = checkpoint;
  const { n_embd: width, n_head: heads, n_layer: layers, vocab_size: vocabulary } = config;
  const size = width / heads;
  const length = ids.length;
  const activation = ACTIVATIONS[config.activation_function];
  const norm = (x: Float32Array, name: string): Float32Array =>
    layerNorm(x, tensors[`${name}.weight`], tensors[`${name}.bias`], config.layer_norm_epsilon, operations);
  const added = (x: Float32Array, y: Float32Array): Float32Array => x.map((value, c) => add(value, y[c]));
  const project = (x: Float32Array, name: string): Float32Array => {
    const bias = tensors[`${name}.bias`];
    return matrices ? added(matrices[name].multiply(x), bias) : operations.linear(x, tensors[`${name}.weight`], bias);
  };
  const joined = (rows: Float32Array[]): Float32Array => {
    const all = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
    rows.reduce((at, row) => (all.set(row, at), at + row.length), 0);
    return all;
  };

  // h[T] of [C]
  let h = Array.from(ids, (id, position) =>
    added(matrices ? matrices.wte.output(id) : tensors["wte.weight"].subarray(id * width, (id + 1) * width), tensors["wpe.weight"].subarray(position * width, (position + 1) * width)));
  const result: Result = {
    logits: new Float32Array(), hiddenStates: [joined(h)], attentions: [], beforeFinalNorm: new Float32Array(), keys: [], values: [],
  };

  for (let layer = 0; layer < layers; layer++) {
    const block = `h.${layer}`;
    const scale = attentionScale(config, layer);
    const qkv = h.map((row) => project(norm(row, `${block}.ln_1`), `${block}.attn.c_attn`));
    const q = qkv.map((row) => row.subarray(0, width));
    const k = qkv.map((row) => row.subarray(width, 2 * width));
    const v = qkv.map((row) => row.subarray(2 * width, 3 * width));
    const probabilities = new Float32Array(heads * length * length);

    const headOf = (row: Float32Array, j: number): Float32Array => row.subarray(j * size, (j + 1) * size);
    const caches = Array.from({ length: heads }, (_, j) =>
      headCache(cache, k.map((row) => headOf(row, j)), v.map((row) => headOf(row, j)), operations));

    h = h.map((row, t) => {
      const output = new Float32Array(width);
      caches.forEach((head, j) => {
        const s = head.scores(headOf(q[t], j), t + 1).map((sum) => multiply(sum, scale));
        const m = s.reduce((largest, value) => (value > largest ? value : largest));
        const e = s.map((value) => (subtract(value, m) < -64 ? 0 : operations.exp(subtract(value, m))));
        const S = operations.laneSum(e);
        e.forEach((value, i) => (probabilities[(j * length + t) * length + i] = divide(value, S)));
        output.set(head.weigh(e).map((sum) => divide(sum, S)), j * size);
      });
      return added(row, project(output, `${block}.attn.c_proj`));
    });
    h = h.map((row) => {
      const f = project(norm(row, `${block}.ln_2`), `${block}.mlp.c_fc`).map(activation);
      return added(row, project(f, `${block}.mlp.c_proj`));
    });

    result.attentions.push(probabilities);
    result.keys.push(joined(k));
    result.values.push(joined(v));
    if (layer < layers - 1) result.hiddenStates.push(joined(h));
  }

  result.beforeFinalNorm = joined(h);
  const normed = h.map((row) => norm(row, "ln_f"));
  result.hiddenStates.push(joined(normed));
  result.logits = joined(normed.map((row) => (matrices ? matrices.head.multiply(row) : head(row, checkpoint.head))));
  if (result.logits.length !== length * vocabulary) throw new Error("the head's rows are not the vocabulary");
  return result;
}
