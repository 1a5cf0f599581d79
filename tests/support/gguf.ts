/** GGUF files made on the spot, by the format's description and without the library's code. */
import { safetensors } from "./checkpoint.ts";
import { tensorsOf, transposed } from "./reference-edit.ts";
import type { RawTensor } from "./reference-edit.ts";

export type Metadata = [key: string, type: number, value: unknown, elementType?: number];

export interface GgufEntry {
  name: string;
  dimensions: (number | bigint)[];
  type: number;
  data: Uint8Array;
  /** If it is to be wrong. */
  offset?: bigint;
}

export interface GgufShape {
  metadata: Metadata[];
  tensors: GgufEntry[];
  version?: number;
  alignment?: number;
  /** The last tensor is followed by padding, as llama.cpp writes it. Default true. */
  padEnd?: boolean;
  /** If the counts are to be wrong. */
  tensorCount?: bigint;
  metadataCount?: bigint;
}

/** In a string: a byte that no UTF-8 has. */
export const BAD = "\u{10ffff}";
export const U32 = 4, I32 = 5, F32 = 6, BOOL = 7, STRING = 8, ARRAY = 9, U64 = 10;
export const GGML = { F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q5_0: 6, Q5_1: 7, Q8_0: 8, Q4_K: 12, Q5_K: 13, Q6_K: 14, F64: 28, BF16: 30 } as const;

/** Grows as it is written to. */
export class Bytes {
  #bytes = new Uint8Array(1 << 12);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  #room(count: number): number {
    if (this.length + count > this.#bytes.length) {
      const more = new Uint8Array(2 * (this.length + count));
      more.set(this.#bytes.subarray(0, this.length));
      this.#bytes = more;
      this.#view = new DataView(more.buffer);
    }
    return (this.length += count) - count;
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }
  u32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }
  u64(value: bigint | number): void {
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }
  string(text: string): void {
    const bytes = text.split(BAD).flatMap((part, i) => [...(i > 0 ? [0xff] : []), ...new TextEncoder().encode(part)]);
    this.u64(bytes.length);
    this.raw(Uint8Array.from(bytes));
  }
  pad(alignment: number): void { this.raw(new Uint8Array((alignment - (this.length % alignment)) % alignment)); }
  value(type: number, value: unknown, elementType?: number): void {
    const put = (bytes: number, write: (at: number) => void): void => write(this.#room(bytes));
    switch (type) {
      case 0: case 1: case BOOL: return put(1, (at) => this.#view.setUint8(at, Number(value) & 255));
      case 2: case 3: return put(2, (at) => this.#view.setUint16(at, Number(value) & 65535, true));
      case U32: case I32: return this.u32(Number(value) >>> 0);
      case F32: return put(4, (at) => this.#view.setFloat32(at, Number(value), true));
      case STRING: return this.string(value as string);
      case U64: return this.u64(value as bigint);
      case 11: return put(8, (at) => this.#view.setBigInt64(at, BigInt(value as number), true));
      case 12: return put(8, (at) => this.#view.setFloat64(at, Number(value), true));
      default: {
        const list = value as unknown[];
        this.u32(elementType!);
        this.u64(list.length);
        for (const one of list) {
          if (elementType === ARRAY) this.value(ARRAY, (one as [number, unknown[]])[1], (one as [number, unknown[]])[0]); // [type, list]
          else this.value(elementType!, one);
        }
      }
    }
  }
  take(): Uint8Array<ArrayBuffer> { return this.#bytes.slice(0, this.length); }
}

export function gguf({ metadata, tensors, version = 3, alignment = 32, padEnd = true, tensorCount, metadataCount }: GgufShape): Uint8Array<ArrayBuffer> {
  const file = new Bytes();
  file.raw(new TextEncoder().encode("GGUF"));
  file.u32(version);
  file.u64(tensorCount ?? tensors.length);
  file.u64(metadataCount ?? metadata.length);
  for (const [key, type, value, elementType] of metadata) {
    file.string(key);
    file.u32(type);
    file.value(type, value, elementType);
  }
  const padded = (length: number): number => Math.ceil(length / alignment) * alignment;
  let offset = 0;
  for (const { name, dimensions, type, data, offset: wrong } of tensors) {
    file.string(name);
    file.u32(dimensions.length);
    for (const size of dimensions) file.u64(size);
    file.u32(type);
    file.u64(wrong ?? offset);
    offset += padded(data.length);
  }
  for (const { data } of tensors) {
    file.pad(alignment);
    file.raw(data);
  }
  if (padEnd) file.pad(alignment);
  return file.take();
}

/** Names of Hugging Face to those of llama.cpp, after `h.<l>.` and `blk.<l>.`. */
const INNER: Record<string, string> = {
  ln_1: "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", ln_2: "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
};
const OUTER: Record<string, string> = { wte: "token_embd", wpe: "position_embd", ln_f: "output_norm", lm_head: "output" };
const TYPE_OF: Record<string, number> = { F32: GGML.F32, F16: GGML.F16, BF16: GGML.BF16, F64: GGML.F64 };

/** llama.cpp's name; null: not a weight. */
export function ggufName(name: string): string | null {
  const match = /^(?:transformer\.)?(?:h\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name);
  if (match === null) return null;
  const [, layer, module, kind] = match;
  const title = layer === undefined ? OUTER[module] : INNER[module];
  return title === undefined ? null : `${layer === undefined ? "" : `blk.${layer}.`}${title}.${kind}`;
}

type Encode = (name: string, tensor: RawTensor) => { type: number; data: Uint8Array } | undefined;

/** The tensors of a Hugging Face checkpoint as llama.cpp has them. `encode` may give some another type. */
export function ggufEntries(safetensors: Uint8Array<ArrayBuffer>, encode: Encode = () => undefined): GgufEntry[] {
  return [...tensorsOf(safetensors)].flatMap(([name, stored]) => {
    const title = ggufName(name);
    if (title === null) return [];
    const isConv = title.startsWith("blk.") && stored.shape.length === 2;
    const tensor = isConv ? transposed(stored) : stored;
    const { type, data } = encode(title, tensor) ?? { type: TYPE_OF[tensor.dtype], data: tensor.bytes };
    return [{ name: title, dimensions: [...tensor.shape].reverse(), type, data }];
  });
}

/** What llama.cpp's converter says of a configuration; without a tokenizer. */
export function ggufMetadata(config: Record<string, any>): Metadata[] {
  return [
    ["general.architecture", STRING, "gpt2"],
    ["general.name", STRING, "test"],
    ["gpt2.block_count", U32, config.n_layer],
    ["gpt2.context_length", U32, config.n_positions],
    ["gpt2.embedding_length", U32, config.n_embd],
    ["gpt2.feed_forward_length", U32, config.n_inner ?? 4 * config.n_embd],
    ["gpt2.attention.head_count", U32, config.n_head],
    ["gpt2.attention.layer_norm_epsilon", F32, config.layer_norm_epsilon ?? 1e-5],
  ];
}

type Files = Record<string, Uint8Array<ArrayBuffer>>;

/** A whole checkpoint as a GGUF file. */
export function ggufOf(files: Files, encode?: Encode, more: Metadata[] = []): Uint8Array<ArrayBuffer> {
  const config = JSON.parse(new TextDecoder().decode(files["config.json"]));
  return gguf({ metadata: [...ggufMetadata(config), ...more], tensors: ggufEntries(files["model.safetensors"], encode) });
}

/** A GPT-2 of two layers whose rows are long enough for blocks of 256. */
export function wideCheckpoint(): Files {
  const width = 256, inner = 512, vocabulary = 40, positions = 64, layers = 2;
  const config = { model_type: "gpt2", n_layer: layers, n_embd: width, n_head: 4, n_inner: inner, vocab_size: vocabulary, n_positions: positions, bos_token_id: null, eos_token_id: null };
  const shapes: [name: string, ...shape: number[]][] = [
    ["wte.weight", vocabulary, width], ["wpe.weight", positions, width], ["ln_f.weight", width], ["ln_f.bias", width],
    ...Array.from({ length: layers }, (_, l): [string, ...number[]][] => [
      [`h.${l}.ln_1.weight`, width], [`h.${l}.ln_1.bias`, width], [`h.${l}.ln_2.weight`, width], [`h.${l}.ln_2.bias`, width],
      [`h.${l}.attn.c_attn.weight`, width, 3 * width], [`h.${l}.attn.c_attn.bias`, 3 * width],
      [`h.${l}.attn.c_proj.weight`, width, width], [`h.${l}.attn.c_proj.bias`, width],
      [`h.${l}.mlp.c_fc.weight`, width, inner], [`h.${l}.mlp.c_fc.bias`, inner],
      [`h.${l}.mlp.c_proj.weight`, inner, width], [`h.${l}.mlp.c_proj.bias`, width],
    ]).flat(),
  ];
  let state = 12345;
  const entries = shapes.map(([name, ...shape]) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 34 - 2 ** -3 + (/ln_\w+\.weight$/.test(name) ? 1 : 0); // ±1/8
    });
    return { name, shape, data: new Uint8Array(values.buffer) };
  });
  return { "config.json": Uint8Array.from(new TextEncoder().encode(JSON.stringify(config))), "model.safetensors": safetensors(entries) };
}
