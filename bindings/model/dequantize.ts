import { KvasmError } from "../errors.ts";
import { Dtype, GROUP } from "../wasm/exports.ts";
import type { TensorPlace } from "../weights/types.ts";
import { unitOf } from "../weights/units.ts";
import { widenHalf } from "../weights/half.ts";

/** Elements of one piece that is handed on. */
const PIECE = 1 << 14;

/** Takes f32[outputs][inputs] of a matrix, row-major, from element number `element` on. */
export type FloatSink = (place: TensorPlace, element: number, values: Float32Array) => void;

/** A quantised file's matrices as the f32 that its integers and scales stand for: `f32(integer) · scale`, rounded once. */
export class Dequantizer {
  readonly #sink: FloatSink;
  readonly #piece = new Float32Array(PIECE);
  /** By tensor and layer. [outputs] for int8, [outputs][groups] for int4. Gone when the matrix is through. */
  readonly #scales = new Map<string, Float32Array>();

  constructor(sink: FloatSink) {
    this.#sink = sink;
  }

  takeScales(place: TensorPlace, dtype: number, element: number, bytes: Uint8Array): void {
    const key = keyOf(place);
    const { inputs, outputs } = place.matrix!;
    const scales = this.#scales.get(key) ?? new Float32Array(dtype === Dtype.F32 ? outputs : outputs * Math.ceil(inputs / GROUP));
    this.#scales.set(key, scales);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const { bytes: width } = unitOf(dtype);
    for (let at = 0, i = element; at < bytes.length; at += width, i++) {
      const scale = dtype === Dtype.F32 ? view.getFloat32(at, true) : widenHalf(view.getUint16(at, true));
      if (!Number.isFinite(scale)) throw notFinite(place.name, i);
      scales[i] = scale;
    }
  }

  takeIntegers(place: TensorPlace, dtype: number, element: number, bytes: Uint8Array): void {
    const key = keyOf(place);
    const scales = this.#scales.get(key);
    if (scales === undefined) {
      throw new KvasmError("unsupported", `${place.name}: its scales come behind its integers in the file, so it cannot be turned into other weights while it is read. Load it with the weights that it has, or write it again with kvasm convert.`, { argument: place.name });
    }
    const { inputs, outputs } = place.matrix!;
    const isByte = dtype === Dtype.I8;
    const stored = isByte ? inputs : Math.ceil(inputs / GROUP) * GROUP; // elements of a row in the file, padding included
    const groups = stored / GROUP;
    const integers = isByte ? new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
    let output = Math.floor(element / stored);
    let input = element % stored;
    let filled = 0;
    let first = output * inputs + Math.min(input, inputs);
    const put = (integer: number): void => {
      if (input < inputs) {
        // An integer of 8 bits and a binary32 have their product in a double, exactly: it is rounded once.
        this.#piece[filled++] = integer * scales[isByte ? output : output * groups + Math.floor(input / GROUP)];
        if (filled === PIECE) {
          this.#sink(place, first, this.#piece);
          first += PIECE;
          filled = 0;
        }
      }
      if (++input === stored) {
        input = 0;
        output++;
      }
    };
    for (let i = 0; i < integers.length; i++) {
      if (isByte) put(integers[i]);
      else {
        put((integers[i] & 15) - 8);
        put((integers[i] >> 4) - 8);
      }
    }
    if (filled > 0) this.#sink(place, first, this.#piece.subarray(0, filled));
    if (output === outputs) this.#scales.delete(key);
  }
}

function keyOf({ tensor, layer }: TensorPlace): string {
  return `${layer}/${tensor}`;
}

function notFinite(name: string, element: number): KvasmError {
  return new KvasmError("non-finite", `${name}: element ${element} is a NaN or infinite. The file is damaged.`, { argument: name, value: element });
}
