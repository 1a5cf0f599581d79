import { KvasmError, shown } from "../../errors.ts";
import type { ModelConfig } from "../config.ts";
import { MOST, MOST_LAYERS } from "../sizes.ts";
import type { GgufHeader, Value } from "./header.ts";
import { EMBEDDING, HEAD, POSITIONS } from "./tensors.ts";

/**
 * The configuration that a file's metadata and the shapes of its embeddings tell. What GGUF has no key for is as llama.cpp computes
 * GPT-2: gelu_new, scaled attention.
 * @throws KvasmError `config`, `unsupported`, `weights`, `tokenizer`
 */
export function ggufConfig({ metadata, tensors }: GgufHeader, file: string): ModelConfig {
  const read = new MetadataReader(metadata, file);
  const architecture = read.string("general.architecture");
  if (architecture !== "gpt2") read.unsupported("general.architecture", architecture, 'kvasm computes GPT-2 ("gpt2") only');
  const parts = read.optional("split.count", 0, MOST) ?? 0;
  if (parts > 1) read.unsupported("split.count", parts, "the file is one part of several. Join them with llama.cpp's `llama-gguf-split --merge`");

  const n_embd = read.integer("gpt2.embedding_length", 1, MOST);
  const n_head = read.integer("gpt2.attention.head_count", 1, MOST);
  if (n_embd % n_head !== 0) read.fail("gpt2.attention.head_count", n_head, `a divisor of gpt2.embedding_length (${n_embd})`);
  const keyHeads = read.optional("gpt2.attention.head_count_kv", 1, MOST);
  if (keyHeads !== undefined && keyHeads !== n_head) read.unsupported("gpt2.attention.head_count_kv", keyHeads, `GPT-2 has as many heads of keys as of queries (${n_head})`);
  const n_positions = read.integer("gpt2.context_length", 1, MOST);

  const rows = (name: string): number => {
    const tensor = tensors.find((one) => one.name === name);
    if (tensor === undefined || tensor.dimensions.length > 2) throw new KvasmError("weights", `${file}: ${shown(name)} is missing or no matrix. The file has no complete GPT-2.`, { argument: name, value: name });
    return tensor.dimensions[1] ?? 1;
  };
  const vocab_size = rows(EMBEDDING);
  if (vocab_size > MOST) read.fail(EMBEDDING, vocab_size, `at most ${MOST} rows`);
  const stated = read.optional("gpt2.vocab_size", 1, MOST);
  if (stated !== undefined && stated !== vocab_size) read.fail("gpt2.vocab_size", stated, `the embedding's number of rows (${vocab_size})`);
  const positions = rows(POSITIONS);
  if (positions !== n_positions) read.fail("gpt2.context_length", n_positions, `the number of rows of ${POSITIONS} (${positions})`);

  const tokens = metadata.get("tokenizer.ggml.tokens");
  const count = Array.isArray(tokens) ? tokens.length : undefined;
  if (count !== undefined && count !== vocab_size) {
    throw new KvasmError("tokenizer", `${file}: tokenizer.ggml.tokens has ${count} tokens and the embedding ${vocab_size} rows. The vocabulary is of another model.`, { argument: "tokenizer.ggml.tokens", value: count });
  }
  const endOfText = Array.isArray(tokens) ? tokens.indexOf("<|endoftext|>") : -1;
  const special = (name: string): number | null => read.tokenId(`tokenizer.ggml.${name}_token_id`, vocab_size);
  const usual = endOfText < 0 ? null : endOfText;
  // llama.cpp ends a text with each of them: of a text, of a turn, of a message.
  const ends = [...new Set([special("eos") ?? usual, special("eot"), special("eom")])].filter((id) => id !== null);

  return {
    n_layer: read.integer("gpt2.block_count", 1, MOST_LAYERS),
    n_embd,
    n_head,
    n_inner: read.optional("gpt2.feed_forward_length", 1, 4 * MOST) ?? 4 * n_embd,
    vocab_size,
    n_positions,
    activation_function: "gelu_new",
    layer_norm_epsilon: epsilon(read),
    scale_attn_weights: true,
    scale_attn_by_inverse_layer_idx: false,
    reorder_and_upcast_attn: false,
    tie_word_embeddings: !tensors.some(({ name }) => name === HEAD),
    bos_token_id: special("bos") ?? usual,
    eos_token_id: ends.length > 1 ? Object.freeze(ends) : ends[0] ?? null,
  };
}

/** The shortest decimal that is the same binary32: 1e-5 rather than 0.000009999999747378752. */
function epsilon(read: MetadataReader): number {
  const key = "gpt2.attention.layer_norm_epsilon";
  const value = read.number(key);
  if (!(value >= 1e-30 && value <= 1e6)) read.fail(key, value, "a number from 1e-30 to 1e6");
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

class MetadataReader {
  readonly #metadata: ReadonlyMap<string, Value>;
  readonly #file: string;

  constructor(metadata: ReadonlyMap<string, Value>, file: string) {
    this.#metadata = metadata;
    this.#file = file;
  }

  string(key: string): string {
    const value = this.#metadata.get(key);
    return typeof value === "string" ? value : this.fail(key, value, "a string");
  }

  number(key: string): number {
    const value = this.#metadata.get(key);
    return typeof value === "number" ? value : this.fail(key, value, "a number");
  }

  integer(key: string, low: number, high: number): number {
    const value = this.#metadata.get(key);
    return typeof value === "number" && Number.isInteger(value) && value >= low && value <= high ? value : this.fail(key, value, `an integer from ${low} to ${high}`);
  }

  optional(key: string, low: number, high: number): number | undefined {
    return this.#metadata.has(key) ? this.integer(key, low, high) : undefined;
  }

  /** null: absent, or outside the vocabulary, which means none. */
  tokenId(key: string, vocabulary: number): number | null {
    const value = this.#metadata.get(key);
    if (value === undefined || typeof value === "bigint") return null;
    if (typeof value !== "number" || !Number.isInteger(value)) return this.fail(key, value, "a token id");
    return value >= 0 && value < vocabulary ? value : null;
  }

  fail(key: string, value: unknown, wanted: string): never {
    const cure = value === undefined ? "no such value. The file has no complete GPT-2" : `${shown(value)}. The header is damaged, or of another model`;
    throw new KvasmError("config", `${this.#file}: ${key}: expected ${wanted}, got ${cure}.`, { argument: key, value });
  }

  unsupported(key: string, value: unknown, why: string): never {
    throw new KvasmError("unsupported", `${this.#file}: ${key} ${shown(value)}: ${why}.`, { argument: key, value });
  }
}
