import { Tensor } from "../wasm/exports.ts";
import type { ModelConfig } from "./config.ts";
import { shapeOf, tensorsInOrder } from "./tensor-table.ts";
import type { TensorKind } from "./tensor-table.ts";

/** A tensor that the model has a place for. */
export interface KnownTensor {
  /** As in the file. */
  readonly name: string;
  /** Tensor of wasm/exports.ts. */
  readonly tensor: number;
  /** 0 for tensors outside the layers. */
  readonly layer: number;
  /** As the file's format has it; Conv1D weights of Hugging Face are [in, out]. */
  readonly shape: readonly number[];
  /** The file has a matrix as [outputs][inputs]. */
  readonly outputMajor?: boolean;
  /** Not the matrix but its scales. */
  readonly scales?: boolean;
  /** Of a quantised file's matrix, and of its scales. */
  readonly matrix?: { readonly inputs: number; readonly outputs: number };
}

/** Hugging Face's names begin with it, or all of them do not; the head's does not. */
export const PREFIX = "transformer.";

/** The tensors of a checkpoint in the order and under the names of GPT2LMHeadModel. */
export function safetensorsPlaces(config: ModelConfig, withHead: boolean): KnownTensor[] {
  return Array.from(tensorsInOrder(config, withHead), ([kind, layer]) => {
    const prefix = kind.tensor === Tensor.head ? "" : kind.inLayer ? `${PREFIX}h.${layer}.` : PREFIX;
    return placeOf(kind, prefix + kind.name, layer, config);
  });
}

export function placeOf(kind: TensorKind, name: string, layer: number, config: ModelConfig): KnownTensor {
  return { name, tensor: kind.tensor, layer, shape: shapeOf(kind, config) };
}
