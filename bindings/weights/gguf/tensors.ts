import { KvasmError, shown } from "../../errors.ts";
import { Tensor } from "../../wasm/exports.ts";
import type { ModelConfig } from "../config.ts";
import type { KnownTensor } from "../tensors.ts";
import type { GgufTensor } from "./header.ts";

type Sizes = Pick<ModelConfig, "n_layer" | "n_embd" | "n_inner" | "vocab_size" | "n_positions">;
/** As ggml counts: inputs first. */
type Shape = (sizes: Sizes) => number[];

const width: Shape = (c) => [c.n_embd];

export const EMBEDDING = "token_embd.weight";
export const POSITIONS = "position_embd.weight";
export const HEAD = "output.weight";

/** Outside the blocks. llama.cpp takes the embedding for the head where there is none. */
const OUTER: readonly [name: string, tensor: number, shape: Shape][] = [
  [EMBEDDING, Tensor.wte, (c) => [c.n_embd, c.vocab_size]],
  [POSITIONS, Tensor.wpe, (c) => [c.n_embd, c.n_positions]],
  ["output_norm.weight", Tensor.lnFGain, width],
  ["output_norm.bias", Tensor.lnFBias, width],
];
const STORED_HEAD: (typeof OUTER)[number] = [HEAD, Tensor.head, (c) => [c.n_embd, c.vocab_size]];

/** Of block l, after `blk.<l>.`. */
const INNER: readonly [name: string, tensor: number, shape: Shape][] = [
  ["attn_norm.weight", Tensor.ln1Gain, width],
  ["attn_norm.bias", Tensor.ln1Bias, width],
  ["attn_qkv.weight", Tensor.attnWeight, (c) => [c.n_embd, 3 * c.n_embd]],
  ["attn_qkv.bias", Tensor.attnBias, (c) => [3 * c.n_embd]],
  ["attn_output.weight", Tensor.attnProjWeight, (c) => [c.n_embd, c.n_embd]],
  ["attn_output.bias", Tensor.attnProjBias, width],
  ["ffn_norm.weight", Tensor.ln2Gain, width],
  ["ffn_norm.bias", Tensor.ln2Bias, width],
  ["ffn_up.weight", Tensor.fcWeight, (c) => [c.n_embd, c.n_inner]],
  ["ffn_up.bias", Tensor.fcBias, (c) => [c.n_inner]],
  ["ffn_down.weight", Tensor.mlpProjWeight, (c) => [c.n_inner, c.n_embd]],
  ["ffn_down.bias", Tensor.mlpProjBias, width],
];

/** The tensors of a GPT-2 in the order in which llama.cpp's converter writes them, with ggml's shapes. */
export function ggufTensors(sizes: Sizes, headStored: boolean): KnownTensor[] {
  const all: KnownTensor[] = [];
  const add = ([name, tensor, shape]: (typeof OUTER)[number], layer: number, prefix: string): void => {
    all.push({ name: prefix + name, tensor, layer, shape: shape(sizes), outputMajor: true });
  };
  for (const outer of OUTER.slice(0, 2)) add(outer, 0, "");
  for (let layer = 0; layer < sizes.n_layer; layer++) for (const inner of INNER) add(inner, layer, `blk.${layer}.`);
  for (const outer of OUTER.slice(2)) add(outer, 0, "");
  if (headStored) add(STORED_HEAD, 0, "");
  return all;
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
