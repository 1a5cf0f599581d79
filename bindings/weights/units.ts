import { Dtype } from "../wasm/exports.ts";

/** The smallest run of bytes that holds whole elements of a type. */
export interface Unit {
  readonly bytes: number;
  readonly elements: number;
}

/** Index: Dtype. */
const UNITS: Readonly<Record<Dtype, readonly [bytes: number, elements: number]>> = {
  [Dtype.F32]: [4, 1], [Dtype.F16]: [2, 1], [Dtype.BF16]: [2, 1], [Dtype.F64]: [8, 1], [Dtype.I8]: [1, 1], [Dtype.U4]: [1, 2],
  [Dtype.Q4_0]: [18, 32], [Dtype.Q4_1]: [20, 32], [Dtype.Q5_0]: [22, 32], [Dtype.Q5_1]: [24, 32], [Dtype.Q8_0]: [34, 32],
  [Dtype.Q4_K]: [144, 256], [Dtype.Q5_K]: [176, 256], [Dtype.Q6_K]: [210, 256],
};

export function unitOf(dtype: number): Unit {
  const [bytes, elements] = UNITS[dtype as Dtype];
  return { bytes, elements };
}
