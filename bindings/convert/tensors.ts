import { KvasmError } from "../errors.ts";
import type { HeldWeights } from "../model/held-weights.ts";
import type { ModelConfig } from "../weights/config.ts";
import { nearestHalf, widenHalf } from "../weights/half.ts";
import { quantizedTypes } from "../weights/quantized.ts";
import { SCALE_SUFFIX } from "../weights/quantized-format.ts";
import { isMatrix, kindOf } from "../weights/tensor-table.ts";
import { safetensorsPlaces } from "../weights/places.ts";
import type { KnownTensor } from "../weights/places.ts";
import { ELEMENT_BYTES } from "../weights/units.ts";

/** What a file's matrices are written as. */
export type FileWeights = "f32" | "f16" | "q8" | "q4";

/** A tensor of a file that is to be written. */
export interface OutTensor {
  readonly name: string;
  /** As safetensors calls it. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** Its bytes in order, in pieces that are valid until the next one. */
  data(): Iterable<Uint8Array>;
}

/** Tensors that stay in one file: a matrix and its scales, or one alone. */
export type OutGroup = readonly OutTensor[];

/** The tensors of a checkpoint in Hugging Face's order, as they are to be written. @param withHead the head is written too */
export function outTensors(held: HeldWeights, config: ModelConfig, weights: FileWeights, withHead: boolean): OutGroup[] {
  return safetensorsPlaces(config, withHead).map((place): OutGroup => {
    if (!isMatrix(place.tensor)) return [rowsTensor(held, place, weights === "f32" || !isExactInHalf(held, place) ? "F32" : "F16")];
    if (weights === "q8" || weights === "q4") return quantized(held, place, weights);
    const dtype = weights === "f32" ? "F32" : "F16";
    return [kindOf(place.tensor).isEmbedding ? rowsTensor(held, place, dtype) : transposedTensor(held, place, dtype)];
  });
}

/** Rows that the module gives as the file has them: vectors, positions, embeddings. */
function rowsTensor(held: HeldWeights, place: KnownTensor, dtype: "F32" | "F16"): OutTensor {
  return {
    ...described(place.name, dtype, place.shape),
    *data() {
      for (const row of floatRows(held, place)) yield dtype === "F32" ? bytesOf(row) : bytesOf(halves(row, place.name));
    },
  };
}

function* floatRows(held: HeldWeights, { tensor, layer, shape }: KnownTensor): Generator<Float32Array> {
  const [rows, width] = shape.length === 2 ? shape : [1, shape[0]];
  for (let row = 0; row < rows; row++) yield held.floats(tensor, layer, row, width);
}

/** [inputs][outputs] of what the module gives output by output: one matrix is gathered. */
function transposedTensor(held: HeldWeights, place: KnownTensor, dtype: "F32" | "F16"): OutTensor {
  const { tensor, layer, shape: [inputs, outputs] } = place;
  return {
    ...described(place.name, dtype, place.shape),
    *data() {
      const all = dtype === "F32" ? new Float32Array(inputs * outputs) : new Uint16Array(inputs * outputs);
      for (let output = 0; output < outputs; output++) {
        const row = held.floats(tensor, layer, output, inputs);
        const values = dtype === "F32" ? row : halves(row, place.name);
        for (let i = 0, to = output; i < inputs; i++, to += outputs) all[to] = values[i];
      }
      yield bytesOf(all);
    },
  };
}

function quantized(held: HeldWeights, place: KnownTensor, weights: "q8" | "q4"): OutGroup {
  const { name, tensor, layer, shape } = place;
  const [outputs, inputs] = kindOf(place.tensor).isEmbedding ? shape : [shape[1], shape[0]];
  const { integers, scales } = quantizedTypes(weights, { inputs, outputs });
  return [{
    ...described(name + SCALE_SUFFIX, scales.stored, scales.shape),
    *data() {
      // int4's scales are binary16 values already.
      for (let o = 0; o < outputs; o++) yield bytesOf(weights === "q8" ? held.scales(tensor, layer, o) : halves(held.scales(tensor, layer, o), name));
    },
  }, {
    ...described(name, integers.stored, integers.shape),
    *data() {
      for (let o = 0; o < outputs; o++) yield held.integers(tensor, layer, o);
    },
  }];
}

/** Whether binary16 holds every number of a tensor: that of a checkpoint in F16 is stored in as many bytes as it had. */
function isExactInHalf(held: HeldWeights, place: KnownTensor): boolean {
  for (const row of floatRows(held, place)) {
    for (const value of row) {
      const bits = nearestHalf(value);
      if (bits < 0 || !Object.is(widenHalf(bits), value)) return false;
    }
  }
  return true;
}

function halves(values: Float32Array, name: string): Uint16Array {
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const half = nearestHalf(values[i]);
    if (half < 0) {
      throw new KvasmError("value", `${name}: has ${values[i]}, which a 16-bit float cannot hold (at most 65504). Convert to f32, q8 or q4.`, { argument: name, value: values[i] });
    }
    bits[i] = half;
  }
  return bits;
}

function described(name: string, dtype: string, shape: readonly number[]): Pick<OutTensor, "name" | "dtype" | "shape" | "bytes"> {
  return { name, dtype, shape, bytes: shape.reduce((product, size) => product * size, ELEMENT_BYTES[dtype]) };
}

function bytesOf(values: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
