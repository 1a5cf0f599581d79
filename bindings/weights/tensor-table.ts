import { Tensor } from "../wasm/exports.ts";
import type { ModelConfig } from "./config.ts";

/** The sizes of a model that its tensors' shapes follow from. */
export type Sizes = Pick<ModelConfig, "n_layer" | "n_embd" | "n_inner" | "vocab_size" | "n_positions">;
type Size = (sizes: Sizes) => number;

/** One kind of tensor of a GPT-2. Everything that names tensors, or knows their shapes, derives from this list. */
export interface TensorKind {
  readonly tensor: Tensor;
  /** Of Hugging Face's GPT2Model; of a layer's tensors what follows `h.<layer>.`. */
  readonly name: string;
  /** Of llama.cpp; of a layer's tensors what follows `blk.<layer>.`. */
  readonly ggufName: string;
  readonly inLayer: boolean;
  /** A vector has this many elements; a matrix this many outputs, rows of an embedding. */
  readonly outputs: Size;
  /** undefined: a vector. */
  readonly inputs?: Size;
  /** Hugging Face stores it as [outputs][inputs]; its other matrices, of Conv1D, are [inputs][outputs]. */
  readonly isEmbedding?: boolean;
}

const width: Size = (c) => c.n_embd;
const inner: Size = (c) => c.n_inner;
const vocabulary: Size = (c) => c.vocab_size;
const three: Size = (c) => 3 * c.n_embd;

/** In Hugging Face's order within the layers and without. */
export const TENSOR_KINDS: readonly TensorKind[] = [
  { tensor: Tensor.wte, name: "wte.weight", ggufName: "token_embd.weight", inLayer: false, outputs: vocabulary, inputs: width, isEmbedding: true },
  { tensor: Tensor.wpe, name: "wpe.weight", ggufName: "position_embd.weight", inLayer: false, outputs: (c) => c.n_positions, inputs: width, isEmbedding: true },
  { tensor: Tensor.ln1Gain, name: "ln_1.weight", ggufName: "attn_norm.weight", inLayer: true, outputs: width },
  { tensor: Tensor.ln1Bias, name: "ln_1.bias", ggufName: "attn_norm.bias", inLayer: true, outputs: width },
  { tensor: Tensor.attnWeight, name: "attn.c_attn.weight", ggufName: "attn_qkv.weight", inLayer: true, outputs: three, inputs: width },
  { tensor: Tensor.attnBias, name: "attn.c_attn.bias", ggufName: "attn_qkv.bias", inLayer: true, outputs: three },
  { tensor: Tensor.attnProjWeight, name: "attn.c_proj.weight", ggufName: "attn_output.weight", inLayer: true, outputs: width, inputs: width },
  { tensor: Tensor.attnProjBias, name: "attn.c_proj.bias", ggufName: "attn_output.bias", inLayer: true, outputs: width },
  { tensor: Tensor.ln2Gain, name: "ln_2.weight", ggufName: "ffn_norm.weight", inLayer: true, outputs: width },
  { tensor: Tensor.ln2Bias, name: "ln_2.bias", ggufName: "ffn_norm.bias", inLayer: true, outputs: width },
  { tensor: Tensor.fcWeight, name: "mlp.c_fc.weight", ggufName: "ffn_up.weight", inLayer: true, outputs: inner, inputs: width },
  { tensor: Tensor.fcBias, name: "mlp.c_fc.bias", ggufName: "ffn_up.bias", inLayer: true, outputs: inner },
  { tensor: Tensor.mlpProjWeight, name: "mlp.c_proj.weight", ggufName: "ffn_down.weight", inLayer: true, outputs: width, inputs: inner },
  { tensor: Tensor.mlpProjBias, name: "mlp.c_proj.bias", ggufName: "ffn_down.bias", inLayer: true, outputs: width },
  { tensor: Tensor.lnFGain, name: "ln_f.weight", ggufName: "output_norm.weight", inLayer: false, outputs: width },
  { tensor: Tensor.lnFBias, name: "ln_f.bias", ggufName: "output_norm.bias", inLayer: false, outputs: width },
  { tensor: Tensor.head, name: "lm_head.weight", ggufName: "output.weight", inLayer: false, outputs: vocabulary, inputs: width, isEmbedding: true },
];

/** The kinds of a model's tensors in the order of its file, each with its layer: 0 outside the layers. */
export function* tensorsInOrder(sizes: Sizes, withHead: boolean): Generator<readonly [kind: TensorKind, layer: number]> {
  const layers = TENSOR_KINDS.findIndex(({ inLayer }) => inLayer);
  for (const kind of TENSOR_KINDS.slice(0, layers)) yield [kind, 0];
  for (let layer = 0; layer < sizes.n_layer; layer++) {
    for (const kind of TENSOR_KINDS) if (kind.inLayer) yield [kind, layer];
  }
  for (const kind of TENSOR_KINDS.slice(layers)) if (!kind.inLayer && (withHead || kind.tensor !== Tensor.head)) yield [kind, 0];
}

/** As Hugging Face stores it. */
export function shapeOf({ outputs, inputs, isEmbedding }: TensorKind, sizes: Sizes): number[] {
  if (inputs === undefined) return [outputs(sizes)];
  return isEmbedding ? [outputs(sizes), inputs(sizes)] : [inputs(sizes), outputs(sizes)];
}

/** As ggml counts: inputs first. */
export function ggufShapeOf({ outputs, inputs }: TensorKind, sizes: Sizes): number[] {
  return inputs === undefined ? [outputs(sizes)] : [inputs(sizes), outputs(sizes)];
}

const KINDS = new Map(TENSOR_KINDS.map((kind) => [kind.tensor as number, kind]));

export function kindOf(tensor: number): TensorKind {
  return KINDS.get(tensor)!;
}

/** Held in the model's type of weights: all that has two dimensions, but for the positions. */
export function isMatrix(tensor: number): boolean {
  return tensor !== Tensor.wpe && kindOf(tensor).inputs !== undefined;
}
