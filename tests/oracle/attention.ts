/** The cache of one head and what attention takes from it: "Cache types" of docs/NUMERICS.md. */
import { add, multiply } from "./float.ts";
import { ACTIVATION_Q8, dot, half, quantize, quantizeOutput } from "./integers.ts";

const { fround } = Math;

export type CacheType = "f32" | "f16" | "q8";

/** Tokens of a page. */
const PAGE = 16;

export interface HeadCache {
  /** Σ q · k_i for i < count, not yet scaled. */
  scores(q: Float32Array, count: number): Float32Array;
  /** Σ e_i · v_i over e, not yet divided: [head size]. */
  weigh(e: Float32Array): Float32Array;
}

/** What a negative control replaces. */
export interface CacheOperations {
  half: typeof half;
  quantize: typeof quantize;
}

export const CACHE_OPERATIONS: CacheOperations = { half, quantize };

/** `keys`, `values`: [tokens] of [head size]. */
export function headCache(type: CacheType, keys: Float32Array[], values: Float32Array[], operations: CacheOperations): HeadCache {
  if (type === "q8") return integers(keys, values, operations);
  if (type === "f32") return floats(keys, values);
  const rounded = (rows: Float32Array[]): Float32Array[] => rows.map((row) => row.map(operations.half));
  return floats(rounded(keys), rounded(values));
}

function floats(keys: Float32Array[], values: Float32Array[]): HeadCache {
  return {
    scores: (q, count) => Float32Array.from(keys.slice(0, count), (key) => {
      let sum = 0;
      for (let d = 0; d < q.length; d++) sum = fround(sum + fround(q[d] * key[d]));
      return sum;
    }),
    weigh: (e) => values[0].map((_, d) => {
      let sum = 0;
      for (let i = 0; i < e.length; i++) sum = fround(sum + fround(e[i] * values[i][d]));
      return sum;
    }),
  };
}

function integers(keys: Float32Array[], values: Float32Array[], operations: CacheOperations): HeadCache {
  const K = keys.map(quantizeOutput);
  const V = values.map(quantizeOutput);
  return {
    scores(q, count) {
      const { integers: Q, scale: r } = operations.quantize(q, ACTIVATION_Q8);
      return Float32Array.from(K.slice(0, count), ({ integers, scale }) => multiply(multiply(fround(dot(Q, integers, 0, Q.length)), scale), r));
    },
    weigh(e) {
      const { integers: P, scale: r } = operations.quantize(e.map((value, i) => multiply(value, V[i].scale)), ACTIVATION_Q8);
      return values[0].map((_, d) => {
        const column = V.map(({ integers }) => integers[d]);
        let y = fround(dot(P, column, 0, Math.min(PAGE, e.length)));
        for (let first = PAGE; first < e.length; first += PAGE) y = add(y, fround(dot(P, column, first, Math.min(first + PAGE, e.length))));
        return multiply(y, r);
      });
    },
  };
}
