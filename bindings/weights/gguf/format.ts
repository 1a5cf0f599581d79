import { Dtype } from "../../wasm/exports.ts";
import { unitOf } from "../units.ts";

/** GGUF's numbers, after llama.cpp's gguf.h and ggml.h. Everything is little-endian. */

export const MAGIC = "GGUF";
export const DEFAULT_ALIGNMENT = 32;

/** Types of metadata values. */
export const ValueType = {
  u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10, i64: 11, f64: 12,
} as const;

/** Bytes of a value by its type; 0 where the value says so itself. */
export const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/** Kinds of tokens in tokenizer.ggml.token_type. */
export const TokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** A type that a tensor's elements can have: blocks of `elements`, each block `bytes` long. */
export interface TensorType {
  readonly name: string;
  /** Dtype of wasm/exports.ts. */
  readonly dtype: number;
  readonly elements: number;
  readonly bytes: number;
}

const type = (name: keyof typeof Dtype): TensorType => ({ name, dtype: Dtype[name], ...unitOf(Dtype[name]) });

/** By ggml's number; what is not here is not read. */
export const TENSOR_TYPES: ReadonlyMap<number, TensorType> = new Map([
  [0, type("F32")], [1, type("F16")], [30, type("BF16")], [28, type("F64")],
  [2, type("Q4_0")], [3, type("Q4_1")], [6, type("Q5_0")], [7, type("Q5_1")], [8, type("Q8_0")],
  [12, type("Q4_K")], [13, type("Q5_K")], [14, type("Q6_K")],
]);

/** Names of types that exist and are not read, for messages. */
export const OTHER_TYPES: Readonly<Record<number, string>> = {
  9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S",
  22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
};
