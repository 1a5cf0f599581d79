import { KvasmError } from "../errors.ts";

/** A Float32Array outside the module, or a `memory` error that says how large it would have been. */
export function floats(count: number, what: string): Float32Array<ArrayBuffer> {
  try {
    return new Float32Array(count);
  } catch (cause) {
    throw new KvasmError("memory", `${what}: the result takes ${count * 4} bytes, which the host cannot give. Pass fewer tokens.`, { argument: what, value: count * 4, cause });
  }
}

/** Copies rows of `width` floats that lie `stride` apart in `from` to row after row in `to`. Offsets and stride in elements. */
export function copyRows(to: Float32Array, toStart: number, from: Float32Array, fromStart: number, stride: number, width: number, rows: number): void {
  for (let row = 0; row < rows; row++) {
    const start = fromStart + row * stride;
    to.set(from.subarray(start, start + width), toStart + row * width);
  }
}
