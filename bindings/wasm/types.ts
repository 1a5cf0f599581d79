import { KvasmError, shown } from "../errors.ts";
import { CacheType, WeightType } from "./exports.ts";

/**
 * What a model's matrices are held in: `f32`; `q8`, integers of 8 bits with a scale an output; `q4`, integers of 4 bits with a
 * scale for every 32. Positions, norms and biases are always f32.
 */
export type Weights = keyof typeof WeightType;

/** What keys and values are held in: `f32`; `f16`; `q8`, integers of 8 bits with a scale a head and token. */
export type Cache = keyof typeof CacheType;

/** One of the names of `types`, or undefined; else a `type` or `value` error. */
export function checkTypeName<T extends string>(argument: string, value: unknown, types: Readonly<Record<T, unknown>>): T | undefined {
  if (value === undefined || (typeof value === "string" && Object.hasOwn(types, value))) return value as T | undefined;
  const known = Object.keys(types).map((name) => JSON.stringify(name)).join(", ");
  throw new KvasmError(typeof value === "string" ? "value" : "type", `${argument}: expected one of ${known}, got ${shown(value)}.`, { argument, value });
}
