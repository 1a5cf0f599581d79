import { Q4_0_BYTES, Q8_0_BYTES, QUANTS } from "../../../assembly/contract.ts";
import { nearestHalf } from "../../weights/half.ts";

// From f32 to what a GGUF file holds, as llama.cpp's quantize_row_*_ref: the same operations in the same order, each rounded to
// binary32. Every function writes whole blocks to `out` from byte `at` on and returns false where a binary16 would be infinite.

const f = Math.fround;

/** Element i of a Q4_0 block shares a byte with element i + HALF. */
const HALF = QUANTS / 2;

export function encodeF16(values: Float32Array, out: DataView, at: number): boolean {
  for (let i = 0; i < values.length; i++) {
    const bits = nearestHalf(values[i]);
    if (bits < 0) return false;
    out.setUint16(at + 2 * i, bits, true);
  }
  return true;
}

/** d = max |x| / 127, q = x · (1 / d) to the nearest integer, half away from zero. */
export function encodeQ8_0(values: Float32Array, out: DataView, at: number): boolean {
  for (let from = 0; from < values.length; from += QUANTS, at += Q8_0_BYTES) {
    let largest = 0;
    for (let j = from; j < from + QUANTS; j++) largest = Math.max(largest, Math.abs(values[j]));
    const d = f(largest / 127);
    const bits = nearestHalf(d);
    if (bits < 0) return false;
    out.setUint16(at, bits, true);
    const inverse = inverseOf(d);
    for (let j = 0; j < QUANTS; j++) {
      const q = f(values[from + j] * inverse);
      out.setInt8(at + 2 + j, q < 0 ? -Math.floor(0.5 - q) : Math.floor(q + 0.5));
    }
  }
  return true;
}

/** d = the value of largest magnitude (the first of equals) / −8, q = x · (1 / d) + 8.5 cut off, at most 15. */
export function encodeQ4_0(values: Float32Array, out: DataView, at: number): boolean {
  for (let from = 0; from < values.length; from += QUANTS, at += Q4_0_BYTES) {
    let extreme = 0;
    for (let j = from; j < from + QUANTS; j++) if (Math.abs(values[j]) > Math.abs(extreme)) extreme = values[j];
    const d = f(extreme / -8);
    const bits = nearestHalf(d);
    if (bits < 0) return false;
    out.setUint16(at, bits, true);
    const inverse = inverseOf(d);
    for (let j = from; j < from + HALF; j++) {
      const low = Math.min(15, Math.trunc(f(f(values[j] * inverse) + 8.5)));
      const high = Math.min(15, Math.trunc(f(f(values[j + HALF] * inverse) + 8.5)));
      out.setUint8(at + 2 + j - from, low | (high << 4));
    }
  }
  return true;
}

/** Below 2⁻¹²⁸ it would be infinite; the block stands for zeros then, whatever its integers. */
function inverseOf(d: number): number {
  const inverse = d === 0 ? 0 : f(1 / d);
  return Number.isFinite(inverse) ? inverse : 0;
}

/** int4 as it is: scales of GROUP inputs each (as many as a block has), nibbles + 8 two a byte in order. */
export function joinQ4_0(scales: Float32Array, nibbles: Uint8Array, out: DataView, at: number): boolean {
  for (let group = 0; group < scales.length; group++, at += Q4_0_BYTES) {
    out.setUint16(at, nearestHalf(scales[group]), true);
    for (let j = 0; j < HALF; j++) {
      const first = nibbles[group * HALF + (j >> 1)];
      const second = nibbles[group * HALF + HALF / 2 + (j >> 1)];
      const shift = (j & 1) << 2;
      out.setUint8(at + 2 + j, ((first >> shift) & 15) | (((second >> shift) & 15) << 4));
    }
  }
  return true;
}
