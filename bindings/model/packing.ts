import { KvasmError } from "../errors.ts";
import { Dtype, STAGING_BYTES } from "../wasm/exports.ts";
import type { KvasmExports } from "../wasm/exports.ts";
import { unsigned } from "../wasm/memory.ts";
import type { Memory } from "../wasm/memory.ts";
import type { Weights } from "../wasm/types.ts";
import type { TensorPlace, TensorSink } from "../weights/types.ts";
import { unitOf } from "../weights/units.ts";
import { Dequantizer } from "./dequantize.ts";

/** What a quantised file's integers are of. */
const INTEGERS: Readonly<Record<number, Weights>> = { [Dtype.I8]: "q8", [Dtype.U4]: "q4" };

/** Carries raw tensor bytes to the module, which widens and packs them. `check` throws if loading should end. */
export class PackingSink implements TensorSink {
  readonly #exports: KvasmExports;
  readonly #memory: Memory;
  readonly #header: number;
  readonly #weights: Weights;
  /** What the file's matrices are: if they are integers of another kind than the model's, they become f32 on the way. */
  readonly #stored: Weights;
  readonly #check: () => void;
  readonly #staging: number;
  readonly #stagingBytes: number;
  readonly #dequantizer: Dequantizer;

  constructor(exports: KvasmExports, memory: Memory, header: number, weights: Weights, stored: Weights, check: () => void) {
    this.#exports = exports;
    this.#memory = memory;
    this.#header = header;
    this.#weights = weights;
    this.#stored = stored;
    this.#check = check;
    this.#staging = unsigned(exports.stagingAddress(header));
    this.#stagingBytes = STAGING_BYTES;
    this.#dequantizer = new Dequantizer((place, element, values) => {
      this.#pack(place, Dtype.F32, element, new Uint8Array(values.buffer, values.byteOffset, values.byteLength), true);
    });
  }

  write(place: TensorPlace, dtype: number, element: number, bytes: Uint8Array): void {
    this.#check();
    const isOther = this.#stored !== this.#weights;
    if (place.scales) {
      if (isOther) this.#dequantizer.takeScales(place, dtype, element, bytes);
      else this.#pack(place, dtype, element, bytes, true);
    } else if (isOther && INTEGERS[dtype] !== undefined) {
      this.#dequantizer.takeIntegers(place, dtype, element, bytes);
    } else {
      this.#pack(place, dtype, element, bytes, place.outputMajor ?? false);
    }
  }

  #pack({ name, tensor, layer, scales }: TensorPlace, dtype: number, element: number, bytes: Uint8Array, outputMajor: boolean): void {
    const { u8 } = this.#memory;
    const unit = unitOf(dtype);
    // The module widens into a place twice the staging's size.
    const units = Math.floor(Math.min(this.#stagingBytes / unit.bytes, this.#stagingBytes / 2 / unit.elements));
    const step = units * unit.bytes;
    for (let from = 0; from < bytes.length; from += step) {
      const part = bytes.subarray(from, from + step);
      u8.set(part, this.#staging);
      const first = element + (from / unit.bytes) * unit.elements;
      const count = (part.length / unit.bytes) * unit.elements;
      const bad = scales
        ? this.#exports.packScales(this.#header, tensor, layer, dtype, first, count)
        : this.#exports.packTensor(this.#header, tensor, layer, dtype, first, count, outputMajor ? 1 : 0);
      if (bad !== -1) {
        throw new KvasmError("non-finite", `${name}: element ${first + bad} is a NaN, infinite or beyond 32-bit floats. The checkpoint is damaged.`, { argument: name, value: first + bad });
      }
    }
  }
}
