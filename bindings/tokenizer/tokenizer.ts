import { KvasmError, shown } from "../errors.ts";

/** GPT-2's one special token. */
export const END_OF_TEXT = "<|endoftext|>";

/** Tokens of GPT-2's vocabulary; END_OF_TEXT is the last one. */
export const GPT2_VOCABULARY = 50257;

/** What a byte-level BPE tokenizer with GPT-2's words is made of, for files that carry it. */
export interface ByteLevelVocabulary {
  /** By id, one printable character for each byte; special tokens as they are. undefined: no token has this id. */
  readonly tokens: readonly (string | undefined)[];
  /** "a b", by rank. */
  readonly merges: readonly string[];
  /** Tokens that are found in a text as they are: the id, and whether it is special or part of what is written. */
  readonly added: ReadonlyMap<number, { readonly special: boolean }>;
}

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

/** What a model's files give to turn text into ids and back. */
export interface LoadedTokenizer {
  /** null: none that kvasm can be sure of. */
  readonly tokenizer: Tokenizer | null;
  /** A sentence for `model.notes`: why there is none, where files of one are there. */
  readonly note?: string;
}

export interface TokenStream {
  /** The text that is certain now: characters whose bytes are spread over tokens come with the last of them. May be empty. */
  push(id: number): string;
  /** The rest, U+FFFD for an unfinished character. Afterwards the stream is as new. */
  end(): string;
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
