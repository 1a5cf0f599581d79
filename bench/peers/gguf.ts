import { closeSync, openSync, writeSync } from "node:fs";
import type { Weights } from "../../bindings/index.ts";
import { encodeQ4_0, encodeQ8_0 } from "../../bindings/convert/gguf/quantize.ts";
import { elements, fillRandom, randomTensors, type RandomTensor } from "../../bindings/bench/random-model.ts";
import type { Shape } from "../../bindings/bench/shapes.ts";
import { isConv1D, outputRows } from "./outputs.ts";
import { wordOf } from "./words.ts";

/**
 * Writes the random model as a GGUF file (version 3), the one form that llama.cpp reads: all matrices but the positions in F32, Q8_0 or
 * Q4_0, rounded as llama.cpp does. Matrices lie as rows [out, in], the transpose of Conv1D; llama.cpp takes the embedding as head when
 * there is no other. Ids go in and come out, so there is no vocabulary, or one of made-up words for an engine that insists on text.
 */
export function writeGguf(path: string, shape: Shape, seed: number, weights: Weights, vocabulary: "none" | "words" = "none"): void {
  const metadata = [
    entry("general.architecture", text("gpt2")), entry("general.name", text("random weights")), entry("general.file_type", u32(FILE_TYPES[weights])),
    entry("gpt2.context_length", u32(shape.n_positions)), entry("gpt2.embedding_length", u32(shape.n_embd)),
    entry("gpt2.feed_forward_length", u32(shape.n_inner)), entry("gpt2.block_count", u32(shape.n_layer)),
    entry("gpt2.attention.head_count", u32(shape.n_head)), entry("gpt2.attention.layer_norm_epsilon", f32(1e-5)),
    entry("gpt2.vocab_size", u32(shape.vocab_size)), ...(vocabulary === "none" ? [entry("tokenizer.ggml.model", text("no_vocab"))] : words(shape.vocab_size)),
  ];
  const tensors = randomTensors(shape);
  let offset = 0;
  const table = tensors.map((tensor) => {
    // Sizes go from the fastest dimension to the slowest: [in, out], whichever way the numbers lay before.
    const dimensions = isConv1D(tensor) ? tensor.shape : [...tensor.shape].reverse();
    const type = TYPES[typeOf(tensor, weights)];
    const info = join(string(ggufName(tensor.name)), word(dimensions.length), ...dimensions.map(long), word(type.id), long(offset));
    offset += aligned(elements(tensor.shape) * type.blockBytes / type.block);
    return info;
  });
  const head = join(new TextEncoder().encode("GGUF"), word(3), long(tensors.length), long(metadata.length), ...metadata, ...table);

  const file = openSync(path, "w");
  try {
    put(file, head, aligned(head.length));
    for (const tensor of tensors) {
      const bytes = tensorBytes(tensor, seed, typeOf(tensor, weights));
      put(file, bytes, aligned(bytes.length));
    }
  } finally {
    closeSync(file);
  }
}

/** ggml_type and sizes. */
const TYPES = {
  f32: { id: 0, block: 1, blockBytes: 4 }, q8: { id: 8, block: 32, blockBytes: 34 }, q4: { id: 2, block: 32, blockBytes: 18 },
} as const;
/** llama_ftype. */
const FILE_TYPES = { f32: 0, q8: 7, q4: 2 } as const;

/** llama.cpp's own conversion leaves the positions, as all vectors, in f32. */
function typeOf({ name, shape }: RandomTensor, weights: Weights): Weights {
  return shape.length === 2 && name !== "wpe.weight" ? weights : "f32";
}

function tensorBytes(tensor: RandomTensor, seed: number, type: Weights): Uint8Array {
  if (tensor.shape.length === 1) {
    const values = new Float32Array(elements(tensor.shape));
    fillRandom(values, seed, tensor);
    return new Uint8Array(values.buffer);
  }
  const { values } = outputRows(tensor, seed);
  if (type === "f32") return new Uint8Array(values.buffer);
  const { block, blockBytes } = TYPES[type];
  const bytes = new Uint8Array(values.length / block * blockBytes);
  (type === "q8" ? encodeQ8_0 : encodeQ4_0)(values, new DataView(bytes.buffer), 0);
  return bytes;
}

const aligned = (bytes: number): number => Math.ceil(bytes / 32) * 32;

function ggufName(name: string): string {
  const outside: Record<string, string> = {
    "wte.weight": "token_embd.weight", "wpe.weight": "position_embd.weight", "ln_f.weight": "output_norm.weight", "ln_f.bias": "output_norm.bias",
  };
  const inside: Record<string, string> = {
    "ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
  };
  const match = /^h\.(\d+)\.(.+)\.(weight|bias)$/.exec(name);
  const found = match ? `blk.${match[1]}.${inside[match[2]!]}.${match[3]}` : outside[name];
  if (found === undefined) throw new Error(`GGUF has no name for ${name}.`);
  return found;
}

function put(file: number, bytes: Uint8Array, length: number): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, Math.min(2 ** 26, bytes.length - at));
  if (length > bytes.length) writeSync(file, new Uint8Array(length - bytes.length));
}

/** llama-bpe takes a piece of text that is a token as that token, whatever the merges are. In this alphabet of bytes a space is Ġ. */
function words(size: number): Uint8Array[] {
  const tokens = Array.from({ length: size }, (_, id) => wordOf(id).replace(" ", "\u0120"));
  return [
    entry("tokenizer.ggml.model", text("gpt2")), entry("tokenizer.ggml.pre", text("llama-bpe")), entry("tokenizer.ggml.tokens", texts(tokens)),
    entry("tokenizer.ggml.merges", texts(["a b"])), entry("tokenizer.ggml.add_bos_token", no), entry("tokenizer.ggml.eos_token_id", u32(size - 1)),
  ];
}

// ── values: little-endian; a key's value begins with its type ──
function scalar(bytes: number, set: (view: DataView) => void): Uint8Array {
  const out = new Uint8Array(bytes);
  set(new DataView(out.buffer));
  return out;
}
const word = (value: number): Uint8Array => scalar(4, (view) => view.setUint32(0, value, true));
const long = (value: number): Uint8Array => scalar(8, (view) => view.setBigUint64(0, BigInt(value), true));
const string = (value: string): Uint8Array => {
  const bytes = new TextEncoder().encode(value);
  return join(long(bytes.length), bytes);
};
const u32 = (value: number): Uint8Array => join(word(4), word(value));
const f32 = (value: number): Uint8Array => join(word(6), scalar(4, (view) => view.setFloat32(0, value, true)));
const text = (value: string): Uint8Array => join(word(8), string(value));
const no = join(word(7), Uint8Array.of(0));
const texts = (values: readonly string[]): Uint8Array => join(word(9), word(8), long(values.length), ...values.map(string));
const entry = (key: string, value: Uint8Array): Uint8Array => join(string(key), value);

function join(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
