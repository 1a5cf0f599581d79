import { transposed } from "./outputs.ts";

type Rows = { readonly values: Float32Array<ArrayBuffer>; readonly outputs: number; readonly inputs: number };

/** What shares a scale. */
export type Scales = "output" | "tensor";

/** Symmetric int8 with one scale an output or one in all, as [inputs][outputs]. */
export function int8({ values, outputs, inputs }: Rows, kind: Scales): { integers: Int8Array<ArrayBuffer>; scales: Float32Array<ArrayBuffer> } {
  const integers = new Int8Array(values.length);
  const scales = new Float32Array(kind === "output" ? outputs : 1);
  const each = values.length / scales.length;
  for (let index = 0; index < scales.length; index++) {
    const first = index * each;
    let largest = 0;
    for (let i = first; i < first + each; i++) largest = Math.max(largest, Math.abs(values[i]!));
    scales[index] = largest / 127 || 1;
    for (let i = first; i < first + each; i++) integers[i] = Math.round(values[i]! / scales[index]!);
  }
  return { integers: transposed(integers, outputs, inputs), scales };
}

/**
 * MatMulNBits' blocks of 32 inputs, [outputs][inputs / 32][4 · bits bytes], with a scale each: integers plus half of their range, the
 * scale being the value of largest magnitude over the lowest integer (of 8 bits: over −127). Nibbles: the first one low.
 */
export function blocks({ values }: Rows, bits: 4 | 8): { integers: Uint8Array<ArrayBuffer>; scales: Float32Array<ArrayBuffer> } {
  const scales = new Float32Array(values.length / 32);
  const integers = new Uint8Array(values.length * bits / 8);
  const zero = bits === 8 ? 128 : 8;
  for (let block = 0; block < scales.length; block++) {
    const first = 32 * block;
    let extreme = 0;
    for (let k = first; k < first + 32; k++) if (Math.abs(values[k]!) > Math.abs(extreme)) extreme = values[k]!;
    const scale = Math.fround(extreme / (bits === 8 ? -127 : -8)) || 1;
    scales[block] = scale;
    const integer = (k: number): number => Math.max(0, Math.min(2 * zero - 1, Math.round(values[k]! / scale) + zero));
    for (let k = first; k < first + 32; k += 2) {
      if (bits === 8) {
        integers[k] = integer(k);
        integers[k + 1] = integer(k + 1);
      } else integers[k >> 1] = integer(k) | integer(k + 1) << 4;
    }
  }
  return { integers, scales };
}
