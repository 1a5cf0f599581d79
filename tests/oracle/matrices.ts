/** Matrices as integers, and their products with rows of activations: "Integer weights" of docs/NUMERICS.md. */
import type { Checkpoint } from "./checkpoint.ts";
import { add, multiply } from "./float.ts";
import { ACTIVATION_Q4, ACTIVATION_Q8, BLOCK, GROUP, dot, nibbles, quantize, quantizeOutput, searchScale } from "./integers.ts";
import type { Quantized } from "./integers.ts";

const { fround } = Math;

export type WeightType = "f32" | "q8" | "q4";

export interface Matrix {
  /** [outputs][inputs] as integers, row by row. */
  integers: Int32Array[];
  /** [outputs][1] or, in int4, [outputs][groups]. */
  scales: Float32Array[];
  /** x[inputs] · W, without bias: [outputs]. */
  multiply(x: Float32Array): Float32Array;
  /** The f32 weights [inputs] of an output: a row of the embedding. */
  output(n: number): Float32Array;
}

/** What a negative control replaces. */
export interface MatrixOperations {
  quantize: typeof quantize;
  searchScale: typeof searchScale;
  /** int4: a row of activations, group by group. Default: each by `quantize`. */
  quantizeRow?(x: Float32Array, most: number): Quantized[];
  /** int8: (y · s) · r */
  scaled(y: number, s: number, r: number): number;
  /** int4, one group: sum · (s · r) */
  scaledGroup(sum: number, s: number, r: number): number;
}

export const MATRIX_OPERATIONS: MatrixOperations = {
  quantize, searchScale, scaled: (y, s, r) => multiply(multiply(y, s), r), scaledGroup: (sum, s, r) => multiply(sum, multiply(s, r)),
};

/** `outputs`: the f32 weights of each. */
function matrixQ8(outputs: Float32Array[], operations: MatrixOperations): Matrix {
  const quantized = outputs.map(quantizeOutput);
  return {
    integers: quantized.map(({ integers }) => integers),
    scales: quantized.map(({ scale }) => Float32Array.of(scale)),
    multiply(x) {
      const row = operations.quantize(x, ACTIVATION_Q8);
      return Float32Array.from(quantized, ({ integers, scale }) => {
        let y = fround(dot(row.integers, integers, 0, Math.min(BLOCK, x.length)));
        for (let first = BLOCK; first < x.length; first += BLOCK) {
          y = add(y, fround(dot(row.integers, integers, first, Math.min(first + BLOCK, x.length))));
        }
        return operations.scaled(y, scale, row.scale);
      });
    },
    output: (n) => Float32Array.from(quantized[n].integers, (integer) => multiply(integer, quantized[n].scale)),
  };
}

function matrixQ4(outputs: Float32Array[], operations: MatrixOperations): Matrix {
  const scales = outputs.map((w) =>
    Float32Array.from({ length: Math.ceil(w.length / GROUP) }, (_, g) => operations.searchScale(w.subarray(g * GROUP, (g + 1) * GROUP))));
  const integers = outputs.map((w, n) => {
    const all = new Int32Array(w.length);
    scales[n].forEach((scale, g) => all.set(nibbles(w.subarray(g * GROUP, (g + 1) * GROUP), scale), g * GROUP));
    return all;
  });
  return {
    integers,
    scales,
    multiply(x) {
      const groups = operations.quantizeRow?.(x, ACTIVATION_Q4) ??
        Array.from({ length: Math.ceil(x.length / GROUP) }, (_, g) => operations.quantize(x.subarray(g * GROUP, (g + 1) * GROUP), ACTIVATION_Q4));
      return Float32Array.from(integers, (W, n) => {
        let y = 0;
        groups.forEach((row, g) => {
          const sum = dot(row.integers, W.subarray(g * GROUP), 0, row.integers.length);
          y = add(y, operations.scaledGroup(fround(sum), scales[n][g], row.scale));
        });
        return y;
      });
    },
    output: (n) => Float32Array.from(integers[n], (integer, k) => multiply(integer, scales[n][Math.floor(k / GROUP)])),
  };
}

/** Rows of W[N][K]. */
const rowsOf = (weight: Float32Array, inputs: number): Float32Array[] =>
  Array.from({ length: weight.length / inputs }, (_, n) => weight.subarray(n * inputs, (n + 1) * inputs));

/** Columns of W[K][N]. */
const columnsOf = (weight: Float32Array, inputs: number): Float32Array[] => {
  const outputs = weight.length / inputs;
  return Array.from({ length: outputs }, (_, n) => Float32Array.from({ length: inputs }, (_, k) => weight[k * outputs + n]));
};

const LINEAR = ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"];

/** The checkpoint with its matrices as integers besides, which `forward` then takes. */
export function withIntegers(checkpoint: Checkpoint, type: WeightType, changed: Partial<MatrixOperations> = {}): Checkpoint {
  if (type === "f32") return checkpoint;
  const operations = { ...MATRIX_OPERATIONS, ...changed };
  const make = (outputs: Float32Array[]): Matrix => (type === "q8" ? matrixQ8 : matrixQ4)(outputs, operations);
  const { config, tensors, head } = checkpoint;
  const embedding = make(rowsOf(tensors["wte.weight"], config.n_embd));
  const matrices: Record<string, Matrix> = {
    wte: embedding,
    head: head === tensors["wte.weight"] ? embedding : make(rowsOf(head, config.n_embd)),
  };
  for (let layer = 0; layer < config.n_layer; layer++) {
    for (const short of LINEAR) {
      const name = `h.${layer}.${short}`;
      // K is what is left when the outputs, as many as biases, are taken away.
      matrices[name] = make(columnsOf(tensors[`${name}.weight`], tensors[`${name}.weight`].length / tensors[`${name}.bias`].length));
    }
  }
  return { ...checkpoint, matrices };
}
