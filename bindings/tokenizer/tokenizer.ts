import { KvasmError, shown } from "../errors.ts";
import type { ModelConfig } from "../weights/config.ts";
import { readText } from "../weights/bytes.ts";
import type { ModelFiles } from "../weights/source.ts";

/** Text to token ids and back. */
export interface Tokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number;
  /**
   * The ids of a text; none is added at its ends. The text of a special token (`<|endoftext|>`) is that token. Half of a surrogate
   * pair counts as U+FFFD.
   * @throws KvasmError `type`
   */
  encode(text: string): number[];
  /**
   * The text of ids, special tokens included. Bytes that are not UTF-8 become U+FFFD.
   * @throws KvasmError `type`, `value` for what is no id
   */
  decode(ids: ArrayLike<number>): string;
  /** For ids that come one by one. Streams do not influence each other. */
  stream(): TokenStream;
}

export interface TokenStream {
  /** The text that is certain now: characters whose bytes are spread over tokens come with the last of them. May be empty. */
  push(id: number): string;
  /** The rest, U+FFFD for an unfinished character. Afterwards the stream is as new. */
  end(): string;
}

const GPT2_VOCABULARY = 50257;
const MOST_BYTES = 256 << 20;

/**
 * The tokenizer of a model: tokenizer.json, or vocab.json and merges.txt, beside it; else GPT-2's own where the vocabulary has its
 * 50257 tokens; else null, as for files of a kind that @huggingface/tokenizers does not know.
 * @throws KvasmError `tokenizer` (malformed files), `source`; the signal's reason
 */
export async function loadTokenizer(files: ModelFiles, config: Pick<ModelConfig, "vocab_size">, options: { signal?: AbortSignal | undefined } = {}): Promise<Tokenizer | null> {
  const read = (name: string): Promise<string | null> => readOptional(files, name, options.signal);
  const json = await read("tokenizer.json");
  if (json !== null) return (await import("./huggingface.ts")).fromTokenizerJson(json);
  const vocabulary = await read("vocab.json");
  const merges = vocabulary === null ? null : await read("merges.txt");
  if (vocabulary !== null && merges !== null) return (await import("./huggingface.ts")).fromVocabulary(vocabulary, merges);
  return loadGpt2Tokenizer(config.vocab_size);
}

/** GPT-2's own tokenizer for a vocabulary of its size, else null. */
export async function loadGpt2Tokenizer(vocabSize: number): Promise<Tokenizer | null> {
  return vocabSize === GPT2_VOCABULARY ? (await import("./gpt2.ts")).gpt2Tokenizer : null;
}

/** Some stores answer 403 for what is not there. */
async function readOptional(files: ModelFiles, name: string, signal: AbortSignal | undefined): Promise<string | null> {
  try {
    return await readText(files, name, MOST_BYTES, signal);
  } catch (error) {
    if (KvasmError.is(error) && error.code === "source" && error.value === 403) return null;
    throw error;
  }
}

export function checkText(text: unknown): string {
  if (typeof text === "string") return text;
  throw new KvasmError("type", `text: expected a string, got ${shown(text)}.`, { argument: "text", value: text });
}

export function checkIds(ids: ArrayLike<number>, vocabSize: number): void {
  if (typeof ids !== "object" || ids === null || typeof ids.length !== "number") {
    throw new KvasmError("type", `ids: expected an array of token ids, got ${shown(ids)}.`, { argument: "ids", value: ids });
  }
  for (let i = 0; i < ids.length; i++) checkId(`ids[${i}]`, ids[i], vocabSize);
}

export function checkId(argument: string, id: unknown, vocabSize: number): void {
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < vocabSize) return;
  throw new KvasmError(typeof id === "number" ? "value" : "type", `${argument}: expected a token id from 0 to ${vocabSize - 1}, got ${shown(id)}.`, { argument, value: id });
}
