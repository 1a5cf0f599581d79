import { KvasmError, shown } from "../../errors.ts";
import { Tensor } from "../../wasm/exports.ts";
import type { ModelConfig } from "../config.ts";
import { ggufShapeOf, kindOf, tensorsInOrder } from "../tensor-table.ts";
import type { Sizes } from "../tensor-table.ts";
import type { KnownTensor } from "../places.ts";
import type { GgufTensor } from "./header.ts";

export const EMBEDDING = kindOf(Tensor.wte).ggufName;
export const POSITIONS = kindOf(Tensor.wpe).ggufName;
export const HEAD = kindOf(Tensor.head).ggufName;

/**
 * The tensors of a GPT-2 in the order in which llama.cpp's converter writes them, with ggml's shapes. llama.cpp takes the embedding for the
 * head where there is none.
 */
export function ggufTensors(sizes: Sizes, headStored: boolean): KnownTensor[] {
  return Array.from(tensorsInOrder(sizes, headStored), ([kind, layer]) => ({
    name: kind.inLayer ? `blk.${layer}.${kind.ggufName}` : kind.ggufName, tensor: kind.tensor, layer, shape: ggufShapeOf(kind, sizes), outputMajor: true,
  }));
}

/**
 * Finds the place of each tensor and compares its shape. As strict as for safetensors: every weight must be there, and nothing else.
 * @throws KvasmError `weights`
 */
export function placeTensors(stored: readonly GgufTensor[], config: ModelConfig, file: string): ReadonlyMap<string, KnownTensor> {
  const fail = (name: string, value: unknown, message: string): never => {
    throw new KvasmError("weights", `${file}: ${shown(name)}: ${message}.`, { argument: name, value });
  };
  const wanted = new Map(ggufTensors(config, !config.tie_word_embeddings).map((one) => [one.name, one]));
  const seen = new Set<string>();
  for (const { name, dimensions } of stored) {
    const place = wanted.get(name) ?? fail(name, name, `a GPT-2 of ${config.n_layer} blocks (gpt2.block_count) has no such tensor`);
    // ggml drops trailing dimensions of 1, and some writers spell them out.
    const same = Array.from({ length: 4 }, (_, i) => (dimensions[i] ?? 1) === (place.shape[i] ?? 1)).every(Boolean);
    if (!same) fail(name, dimensions, `expected ${place.shape.join(" × ")} by the metadata, got ${dimensions.join(" × ")}. Weights and metadata are of different models`);
    seen.add(name);
  }
  for (const name of wanted.keys()) if (!seen.has(name)) fail(name, name, "is missing. The file has no complete GPT-2");
  return wanted;
}
