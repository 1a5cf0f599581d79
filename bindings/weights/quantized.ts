import { KvasmError, shown } from "../errors.ts";
import { Dtype, GROUP } from "../wasm/exports.ts";
import type { Weights } from "../wasm/types.ts";
import { FORMAT, FORMAT_VERSION } from "./quantized-format.ts";
import type { KnownTensor } from "./places.ts";
import type { StoredTensor } from "./types.ts";

// Quantised safetensors, docs/FORMATS.md: matrices of integers, [outputs, inputs], each with a tensor of scales.

/** Inputs that share a scale in int4. */

export type QuantizedWeights = Exclude<Weights, "f32">;

/** A tensor as a quantised file has it. */
export interface QuantizedType {
  /** As the file writes it. */
  readonly stored: string;
  /** Dtype of wasm/exports.ts. */
  readonly dtype: number;
  readonly shape: readonly number[];
}

/** Integers and scales of a matrix. */
export function quantizedTypes(weights: QuantizedWeights, { inputs, outputs }: { inputs: number; outputs: number }): { integers: QuantizedType; scales: QuantizedType } {
  if (weights === "q8") {
    return { integers: { stored: "I8", dtype: Dtype.I8, shape: [outputs, inputs] }, scales: { stored: "F32", dtype: Dtype.F32, shape: [outputs] } };
  }
  const groups = Math.ceil(inputs / GROUP);
  return {
    integers: { stored: "U8", dtype: Dtype.U4, shape: [outputs, groups * (GROUP / 2)] },
    scales: { stored: "F16", dtype: Dtype.F16, shape: [outputs, groups] },
  };
}

/** `__metadata__` of a quantised file. @param numerics NUMERICS_VERSION of the module that made the integers */
export function quantizedMetadata(weights: QuantizedWeights, numerics: number): Record<string, string> {
  return { format: FORMAT, version: FORMAT_VERSION, weights, numerics: String(numerics) };
}

/** What the matrices of a file with this `__metadata__` are: f32 unless it says that it is quantised. @throws KvasmError `weights`, `unsupported` */
export function weightsOf(metadata: Readonly<Record<string, string>>, file: string): Weights {
  if (metadata.format !== FORMAT) return "f32";
  const refuse = (key: string, wanted: string): never => {
    throw new KvasmError("weights", `${file}: __metadata__: ${key}: expected ${wanted}, got ${shown(metadata[key])}. The header is damaged.`, { argument: key, value: metadata[key] });
  };
  const { version, weights, numerics } = metadata;
  if (!/^[1-9]\d{0,8}$/.test(version ?? "")) return refuse("version", "a number in quotes");
  if (version !== FORMAT_VERSION) {
    throw new KvasmError("unsupported", `${file}: __metadata__: version ${version} of the quantised format; this kvasm reads version ${FORMAT_VERSION}. Update kvasm, or convert the original again.`, { argument: "version", value: version });
  }
  if (weights !== "q8" && weights !== "q4") return refuse("weights", '"q8" or "q4"');
  // Integers and scales mean the same numbers whichever rule they were made by.
  if (!/^[1-9]\d{0,8}$/.test(numerics ?? "")) return refuse("numerics", "a number in quotes");
  return weights;
}

/** The type that a tensor of a quantised file must have; undefined for those that are floats there as well. @throws KvasmError `weights` */
export function checkQuantized(stored: StoredTensor, place: KnownTensor, weights: QuantizedWeights, file: string): QuantizedType | undefined {
  if (place.matrix === undefined) return undefined;
  const wanted = quantizedTypes(weights, place.matrix)[place.scales ? "scales" : "integers"];
  const isSame = stored.dtype === wanted.stored && stored.shape.length === wanted.shape.length && stored.shape.every((size, i) => size === wanted.shape[i]);
  if (isSame) return wanted;
  throw new KvasmError("weights", `${file}: ${shown(stored.name)}: expected ${wanted.stored} of shape [${wanted.shape.join(", ")}] by config.json and weights ${shown(weights)}, got ${shown(stored.dtype)} of shape [${stored.shape.join(", ")}]. The file is damaged, or config.json is of another model.`, { argument: stored.name, value: stored.shape });
}
