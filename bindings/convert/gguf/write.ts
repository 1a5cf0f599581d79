import { KvasmError, shown } from "../../errors.ts";
import type { ByteLevelVocabulary, Tokenizer } from "../../tokenizer/tokenizer.ts";
import { vocabularyOf } from "../../tokenizer/vocabulary.ts";
import { Activation, STAGING_BYTES } from "../../wasm/exports.ts";
import type { KvasmExports } from "../../wasm/exports.ts";
import { unsigned } from "../../wasm/memory.ts";
import type { Memory } from "../../wasm/memory.ts";
import type { Weights } from "../../wasm/types.ts";
import { activationIndex } from "../../weights/config.ts";
import type { ModelConfig } from "../../weights/config.ts";
import { isMatrix } from "../../weights/tensor-table.ts";
import type { KnownTensor } from "../../weights/places.ts";
import { DEFAULT_ALIGNMENT, MAGIC, TENSOR_TYPES, TokenType } from "../../weights/gguf/format.ts";
import { HeaderWriter } from "./header-writer.ts";
import { encodeF16, encodeQ4_0, encodeQ8_0, joinQ4_0 } from "./quantize.ts";
import { ggufTensors } from "../../weights/gguf/tensors.ts";

/** What a GGUF file can be written in: the type of its matrices. Positions, norms and biases are F32 as llama.cpp has them. */
export type GgufType = "F32" | "F16" | "Q8_0" | "Q4_0";

/** ggml's number of the tensors' type, llama.cpp's of the file's. */
const TYPES: Readonly<Record<GgufType, { tensor: number; file: number }>> = {
  F32: { tensor: 0, file: 0 }, F16: { tensor: 1, file: 1 }, Q8_0: { tensor: 8, file: 7 }, Q4_0: { tensor: 2, file: 2 },
};

/** Weights that an instance of the module holds: what loadWeights gives, and what goes with it. */
export interface GgufSource {
  readonly exports: KvasmExports;
  readonly memory: Memory;
  /** Address of the model header. */
  readonly header: number;
  /** What the matrices are held in. */
  readonly type: Weights;
  /** The head is a matrix of its own. */
  readonly isUntied: boolean;
  readonly config: ModelConfig;
  /** null: the file carries none. */
  readonly tokenizer: Tokenizer | null;
}

export interface GgufOutput {
  /** Bytes of all chunks. */
  readonly size: number;
  /** What of the model the file does not hold as it is; sentences. */
  readonly notes: readonly string[];
  /** The file from its beginning, in pieces of about 1 MiB that stay valid. The weights must not change meanwhile. */
  chunks(): Generator<Uint8Array<ArrayBuffer>, void, undefined>;
}

const END_KEYS = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];

/** Bytes of a chunk, at least: it ends with a whole output. */
const CHUNK = 1 << 20;

/**
 * A GGUF file of the weights, in llama.cpp's layout. An int4 model's Q4_0 has its integers and scales; everything else is what
 * llama.cpp's own conversion makes of the numbers that the weights stand for. Matrices whose rows are no multiple of 32 are F16 in a
 * quantised file.
 * @throws KvasmError `unsupported` for a GPT-2 that llama.cpp would compute otherwise, `tokenizer`; chunks: `value` for numbers that a
 * binary16 cannot hold
 */
export async function writeGguf(source: GgufSource, type: GgufType): Promise<GgufOutput> {
  const { config, tokenizer } = source;
  checkComputed(config);
  checkRoom(source);
  const vocabulary = tokenizer === null ? null : await vocabularyOf(tokenizer);
  const notes: string[] = [];
  if (tokenizer !== null && vocabulary === null) notes.push("The tokenizer is of a kind that is not written to GGUF: the file has none.");

  const unsaid = endsOf(config).slice(END_KEYS.length);
  if (unsaid.length > 0) notes.push(`eos_token_id: GGUF has room for ${END_KEYS.length} ids that end a text: ${unsaid.join(", ")} are left out.`);

  const plan = ggufTensors(config, source.isUntied).map((tensor) => ({ tensor, type: typeOf(tensor, type) }));
  const others = plan.filter(({ tensor, type: own }) => isMatrix(tensor.tensor) && own !== type).map(({ tensor }) => tensor.name);
  if (others.length > 0) notes.push(`${others[0]}${others.length > 1 ? ` and ${others.length - 1} more` : ""}: rows are no multiple of 32, so F16 instead of ${type}.`);
  if (source.type !== "f32" && !(source.type === "q4" && type === "Q4_0")) {
    notes.push(`The model is held as ${source.type}: the file has the numbers that its integers stand for, as ${type}.`);
  }

  const header = writeHeader(source, type, plan, vocabulary);
  const size = plan.reduce((sum, one) => sum + padded(bytesOf(one)), header.length);
  return { size, notes, chunks: () => chunksOf(source, header, plan) };
}

interface Planned {
  readonly tensor: KnownTensor;
  readonly type: GgufType;
}

/** llama.cpp has one GPT-2: the others would be computed wrongly there. */
function checkComputed(config: ModelConfig): void {
  const refuse = (field: "activation_function" | "scale_attn_weights" | "scale_attn_by_inverse_layer_idx"): never => {
    throw new KvasmError("unsupported", `config.json: ${field} ${shown(config[field])}: GGUF has no place for it, and llama.cpp would compute another model. Write safetensors instead.`, { argument: field, value: config[field] });
  };
  if (activationIndex(config) !== Activation.gelu_tanh) refuse("activation_function");
  if (!config.scale_attn_weights) refuse("scale_attn_weights");
  if (config.scale_attn_by_inverse_layer_idx) refuse("scale_attn_by_inverse_layer_idx");
}

/** Rows come out of the module through its staging. */
function checkRoom({ config }: GgufSource): void {
  const most = STAGING_BYTES / 4;
  const longest = Math.max(3 * config.n_embd, config.n_inner);
  if (longest > most) throw new KvasmError("unsupported", `n_inner: ${longest} numbers in one vector are more than the ${most} that can be written.`, { argument: "n_inner", value: longest });
}

function typeOf(tensor: KnownTensor, type: GgufType): GgufType {
  if (!isMatrix(tensor.tensor)) return "F32";
  const { elements } = TENSOR_TYPES.get(TYPES[type].tensor)!;
  return tensor.shape[0] % elements === 0 ? type : "F16";
}

function rowBytes({ tensor, type }: Planned): number {
  const { elements, bytes } = TENSOR_TYPES.get(TYPES[type].tensor)!;
  return (tensor.shape[0] / elements) * bytes;
}

function bytesOf(planned: Planned): number {
  return rowBytes(planned) * (planned.tensor.shape[1] ?? 1);
}

function padded(bytes: number): number {
  return Math.ceil(bytes / DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT;
}

function writeHeader({ config }: GgufSource, type: GgufType, plan: readonly Planned[], vocabulary: ByteLevelVocabulary | null): Uint8Array<ArrayBuffer> {
  const values = new HeaderWriter();
  let count = 0;
  const put = (write: (to: HeaderWriter) => void): void => {
    write(values);
    count++;
  };
  put((to) => to.keyString("general.architecture", "gpt2"));
  put((to) => to.keyString("general.type", "model"));
  put((to) => to.keyString("general.name", "gpt2"));
  put((to) => to.keyU32("general.file_type", TYPES[type].file));
  put((to) => to.keyU32("general.quantization_version", 2));
  put((to) => to.keyU32("gpt2.block_count", config.n_layer));
  put((to) => to.keyU32("gpt2.context_length", config.n_positions));
  put((to) => to.keyU32("gpt2.embedding_length", config.n_embd));
  put((to) => to.keyU32("gpt2.feed_forward_length", config.n_inner));
  put((to) => to.keyU32("gpt2.attention.head_count", config.n_head));
  put((to) => to.keyF32("gpt2.attention.layer_norm_epsilon", config.layer_norm_epsilon));
  if (vocabulary === null) {
    put((to) => to.keyU32("gpt2.vocab_size", config.vocab_size));
    put((to) => to.keyString("tokenizer.ggml.model", "none"));
  } else {
    putTokenizer(put, vocabulary, config);
  }
  const { bos_token_id: first } = config;
  if (first !== null) put((to) => to.keyU32("tokenizer.ggml.bos_token_id", first));
  for (const [i, key] of END_KEYS.entries()) {
    const id = endsOf(config)[i];
    if (id !== undefined) put((to) => to.keyU32(key, id));
  }

  const header = new HeaderWriter();
  header.raw(new TextEncoder().encode(MAGIC));
  header.u32(3);
  header.u64(plan.length);
  header.u64(count);
  header.raw(values.finish());
  let offset = 0;
  for (const planned of plan) {
    const { name, shape } = planned.tensor;
    header.string(name);
    header.u32(shape.length);
    for (const size of shape) header.u64(size);
    header.u32(TYPES[planned.type].tensor);
    header.u64(offset);
    offset += padded(bytesOf(planned));
  }
  header.pad(DEFAULT_ALIGNMENT);
  return header.finish();
}

/** Ids that end a text: llama.cpp has a place each for that of a text, of a turn and of a message. */
function endsOf({ eos_token_id: ends }: ModelConfig): readonly number[] {
  return ends === null ? [] : typeof ends === "number" ? [ends] : ends;
}

/** llama.cpp shows what is user-defined, and leaves out what is control. */
function kindOf(added: { readonly special: boolean } | undefined): number {
  return added === undefined ? TokenType.normal : added.special ? TokenType.control : TokenType.userDefined;
}

function putTokenizer(put: (write: (to: HeaderWriter) => void) => void, { tokens, merges, added }: ByteLevelVocabulary, config: ModelConfig): void {
  if (tokens.length > config.vocab_size) {
    throw new KvasmError("tokenizer", `tokenizer: has ${tokens.length} tokens, more than the embedding has rows (${config.vocab_size}). They are of different models.`, { argument: "tokenizer", value: tokens.length });
  }
  // As llama.cpp's converter fills an embedding that is larger than the vocabulary.
  const all = Array.from({ length: config.vocab_size }, (_, id) => tokens[id] ?? `[PAD${id}]`);
  const types = all.map((_, id) => tokens[id] === undefined ? TokenType.unused : kindOf(added.get(id)));
  put((to) => to.keyString("tokenizer.ggml.model", "gpt2"));
  put((to) => to.keyString("tokenizer.ggml.pre", "gpt-2"));
  put((to) => to.keyStrings("tokenizer.ggml.tokens", all));
  put((to) => to.keyI32s("tokenizer.ggml.token_type", types));
  put((to) => to.keyStrings("tokenizer.ggml.merges", merges));
  put((to) => to.keyBoolean("tokenizer.ggml.add_bos_token", false));
}

function* chunksOf(source: GgufSource, header: Uint8Array<ArrayBuffer>, plan: readonly Planned[]): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
  for (let at = 0; at < header.length; at += CHUNK) yield header.slice(at, at + CHUNK);
  for (const planned of plan) {
    const row = rowBytes(planned);
    const rows = planned.tensor.shape[1] ?? 1;
    const all = padded(row * rows);
    const most = Math.max(1, Math.floor(CHUNK / row));
    for (let first = 0; first < rows; first += most) {
      const end = Math.min(rows, first + most);
      const chunk = new Uint8Array(end === rows ? all - first * row : (end - first) * row);
      const view = new DataView(chunk.buffer);
      for (let output = first; output < end; output++) writeRow(source, planned, output, view, (output - first) * row);
      yield chunk;
    }
  }
}

function writeRow({ exports, memory, header, type: held }: GgufSource, { tensor, type }: Planned, output: number, out: DataView, at: number): void {
  const { name, tensor: place, layer, shape } = tensor;
  const staging = unsigned(exports.stagingAddress(header));
  const inputs = shape[0];
  if (type === "Q4_0" && held === "q4") {
    const scales = memory.f32.slice(staging / 4, staging / 4 + exports.readScales(header, place, layer, output));
    const bytes = exports.readIntegers(header, place, layer, output);
    joinQ4_0(scales, memory.u8.subarray(staging, staging + bytes), out, at);
    return;
  }
  exports.readWeights(header, place, layer, output, inputs);
  const values = memory.f32.subarray(staging / 4, staging / 4 + inputs);
  const fine = type === "F32" ? writeF32(values, out, at) : type === "F16" ? encodeF16(values, out, at) : type === "Q8_0" ? encodeQ8_0(values, out, at) : encodeQ4_0(values, out, at);
  if (!fine) throw new KvasmError("value", `${name}: has numbers too large for ${type}, whose binary16 end at 65504. Write F32.`, { argument: name, value: output });
}

function writeF32(values: Float32Array, out: DataView, at: number): boolean {
  new Uint8Array(out.buffer, at, values.byteLength).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return true;
}
