import {
  Q4_0_BYTES, Q4_1_BYTES, Q4_K_BYTES, Q5_0_BYTES, Q5_1_BYTES, Q5_K_BYTES, Q6_K_BYTES, Q8_0_BYTES, QUANTS, QUANTS_K,
} from "../../assembly/contract.ts";
import { Dtype } from "../wasm/exports.ts";

/** Bytes of an element, by safetensors' names of types. */
export const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  F64: 8, F32: 4, F16: 2, BF16: 2,
  I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1,
  F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1, F8_E4M3FNUZ: 1, F8_E5M2FNUZ: 1, C64: 8,
};

/** The smallest run of bytes that holds whole elements of a type. */
export interface Unit {
  readonly bytes: number;
  readonly elements: number;
}

/** Index: Dtype. */
const UNITS: Readonly<Record<Dtype, readonly [bytes: number, elements: number]>> = {
  [Dtype.F32]: [ELEMENT_BYTES.F32, 1], [Dtype.F16]: [ELEMENT_BYTES.F16, 1], [Dtype.BF16]: [ELEMENT_BYTES.BF16, 1],
  [Dtype.F64]: [ELEMENT_BYTES.F64, 1], [Dtype.I8]: [ELEMENT_BYTES.I8, 1], [Dtype.U4]: [ELEMENT_BYTES.U8, 2],
  [Dtype.Q4_0]: [Q4_0_BYTES, QUANTS], [Dtype.Q4_1]: [Q4_1_BYTES, QUANTS], [Dtype.Q5_0]: [Q5_0_BYTES, QUANTS],
  [Dtype.Q5_1]: [Q5_1_BYTES, QUANTS], [Dtype.Q8_0]: [Q8_0_BYTES, QUANTS],
  [Dtype.Q4_K]: [Q4_K_BYTES, QUANTS_K], [Dtype.Q5_K]: [Q5_K_BYTES, QUANTS_K], [Dtype.Q6_K]: [Q6_K_BYTES, QUANTS_K],
};

export function unitOf(dtype: number): Unit {
  const [bytes, elements] = UNITS[dtype as Dtype];
  return { bytes, elements };
}
