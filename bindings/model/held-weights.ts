import { STAGING_BYTES } from "../wasm/exports.ts";
import type { KvasmExports } from "../wasm/exports.ts";
import { unsigned } from "../wasm/memory.ts";
import type { Memory } from "../wasm/memory.ts";
import type { LoadedWeights } from "./load.ts";

/**
 * Weights that an instance of the module holds, on their way out again, output by output. What a call returns is a view of the
 * module's staging, valid until the next call. `tensor`: Tensor of wasm/exports.ts; `layer` counts for tensors of a layer.
 */
export class HeldWeights {
  /** Most elements of a row. */
  readonly mostElements: number;
  readonly #exports: KvasmExports;
  readonly #memory: Memory;
  readonly #header: number;
  readonly #staging: number;

  constructor({ exports, memory, header }: LoadedWeights) {
    this.#exports = exports;
    this.#memory = memory;
    this.#header = header;
    this.#staging = unsigned(exports.stagingAddress(header));
    this.mostElements = STAGING_BYTES / 4;
  }

  /** f32[count]: an output of a matrix (dequantised; `count` its inputs), a row of the positions, a vector. */
  floats(tensor: number, layer: number, output: number, count: number): Float32Array {
    this.#exports.readWeights(this.#header, tensor, layer, output, count);
    const start = this.#staging / 4;
    return this.#memory.f32.subarray(start, start + count);
  }

  /** The integers of an output of a matrix: i8[inputs], or nibbles as Dtype U4 has them. */
  integers(tensor: number, layer: number, output: number): Uint8Array {
    const bytes = this.#exports.readIntegers(this.#header, tensor, layer, output);
    return this.#memory.u8.subarray(this.#staging, this.#staging + bytes);
  }

  /** The scales of an output of a matrix: one (q8), or one for every 32 inputs (q4). */
  scales(tensor: number, layer: number, output: number): Float32Array {
    const count = this.#exports.readScales(this.#header, tensor, layer, output);
    const start = this.#staging / 4;
    return this.#memory.f32.subarray(start, start + count);
  }
}
