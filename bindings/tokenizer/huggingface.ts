import { Tokenizer as Library } from "@huggingface/tokenizers";
import { KvasmError, shown } from "../errors.ts";
import { isObject, parseJsonObject } from "../weights/json.ts";
import type { JsonObject } from "../weights/json.ts";
import { byteCharacters } from "./byte-alphabet.ts";
import { ByteDecoding } from "./byte-stream.ts";
import { checkId, checkIds, checkText } from "./tokenizer.ts";
import type { ByteLevelVocabulary, Tokenizer, TokenStream } from "./tokenizer.ts";
import { setVocabulary } from "./vocabulary.ts";

/** Kinds of tokenizer.json's `model`. */
const MODELS: unknown[] = ["BPE", "Unigram", "WordLevel", "WordPiece"];
/** Ids beyond this are damage: the vocabulary is held as an array. */
const MOST_TOKENS = 2 ** 24;
/** Tokens after which a character that stays broken is shown all the same. UTF-8 needs 4. */
const PATIENCE = 8;

/**
 * A tokenizer from the text of a tokenizer.json; null if it is of a kind that the library does not know.
 * @throws KvasmError `tokenizer` if it is malformed
 */
export function fromTokenizerJson(text: string): Tokenizer | null {
  const file = "tokenizer.json";
  const json = parseJsonObject(text, file, "tokenizer");
  const model = json.model;
  if (!isObject(model)) return fail(file, "model", model, "an object");
  const added = json.added_tokens ?? [];
  if (!Array.isArray(added)) return fail(file, "added_tokens", added, "a list");
  const contents = new Map<number, string>();
  for (const token of added) {
    if (!isObject(token) || typeof token.content !== "string" || token.content === "") return fail(file, "added_tokens", token, "tokens with content and id");
    if (!isTokenId(token.id)) return fail(file, `added_tokens: ${shown(token.content)}`, token.id, "an id");
    contents.set(token.id, token.content);
  }
  checkModel(model, file);
  const filled = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, ...json, added_tokens: added };
  return adapt(filled, contents);
}

/**
 * A byte-level BPE tokenizer, as GPT-2 has it, from the texts of vocab.json and merges.txt.
 * @throws KvasmError `tokenizer` if they are malformed
 */
export function fromVocabulary(vocabularyText: string, mergesText: string): Tokenizer | null {
  const vocab = parseJsonObject(vocabularyText, "vocab.json", "tokenizer");
  checkVocabulary(vocab, "vocab.json");
  const merges: [string, string][] = [];
  mergesText.split(/\r?\n/).forEach((line, i) => {
    if (line === "" || (i === 0 && line.startsWith("#version"))) return;
    const pair = line.split(" ");
    if (pair.length !== 2 || pair.includes("")) fail("merges.txt", `line ${i + 1}`, line, "two tokens with a space between them");
    const absent = [...pair, pair.join("")].find((token) => !Object.hasOwn(vocab, token));
    if (absent !== undefined) fail("merges.txt", `line ${i + 1}`, absent, "tokens that vocab.json has");
    merges.push(pair as [string, string]);
  });
  const separator = "<|endoftext|>";
  const special = Object.hasOwn(vocab, separator) ? [{ id: vocab[separator] as number, content: separator }] : [];
  return byteLevelTokenizer(Object.entries(vocab as Record<string, number>), merges, special);
}

/** Byte-level BPE as GPT-2 has it, from tokens with their ids, merges by rank, and the tokens that are found in a text as they are. */
export function byteLevelTokenizer(tokens: Iterable<readonly [string, number]>, merges: readonly (readonly [string, string])[], special: readonly { id: number; content: string }[]): Tokenizer | null {
  const vocab = Object.fromEntries(tokens);
  const json = {
    added_tokens: special.map((token) => ({ ...token, special: true, normalized: false })),
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab, merges },
  };
  return adapt(json, new Map(special.map(({ id, content }) => [id, content])));
}

function adapt(json: JsonObject, added: ReadonlyMap<number, string>): Tokenizer | null {
  const model = json.model as JsonObject;
  if (model.type !== undefined && !MODELS.includes(model.type)) return null; // the library would guess
  let library: Library;
  try {
    library = new Library(json, typeof model.unk_token === "string" ? { unk_token: model.unk_token } : {});
    if (library.encode("a", { add_special_tokens: false }).ids.length === 0 && added.size === 0) return null;
  } catch {
    return null;
  }
  let vocabSize = 0;
  for (const id of library.get_vocab().values()) vocabSize = Math.max(vocabSize, id + 1);

  const encode = (text: string): number[] => {
    if (checkText(text) === "") return [];
    const { ids } = attempt("text", text, () => library.encode(text, { add_special_tokens: false }));
    const unknown = ids.findIndex((id) => id === undefined);
    if (unknown >= 0) throw new KvasmError("tokenizer", `tokenizer: has no token for a part of ${shown(text)}, and none for what is unknown.`, { argument: "text", value: text });
    return ids;
  };

  if (isObject(json.decoder) && json.decoder.type === "ByteLevel") {
    const decoding = new ByteDecoding(vocabSize, byteTable(library, added));
    const tokenizer: Tokenizer = { vocabSize, encode, decode: (ids) => decoding.decode(ids), stream: () => decoding.stream() };
    if (hasGpt2Words(json)) setVocabulary(tokenizer, () => vocabularyFrom(model, added));
    return tokenizer;
  }
  const decode = (ids: readonly number[]): string => {
    return ids.length === 0 ? "" : attempt("ids", ids, () => library.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false }));
  };
  return {
    vocabSize,
    encode,
    decode(ids) {
      checkIds(ids, vocabSize);
      return decode(Array.from(ids));
    },
    stream: () => windowStream(vocabSize, decode),
  };
}

/** Byte-level BPE as GPT-2 has it, with nothing before or beside it. */
function hasGpt2Words(json: JsonObject): boolean {
  const { normalizer, pre_tokenizer: words, model } = json;
  return normalizer === null && isObject(words) && words.type === "ByteLevel" && words.add_prefix_space === false && words.use_regex !== false
    && isObject(model) && (model.type === undefined || model.type === "BPE") && isObject(model.vocab) && Array.isArray(model.merges)
    && model.ignore_merges !== true && !model.continuing_subword_prefix && !model.end_of_word_suffix;
}

function vocabularyFrom(model: JsonObject, added: ReadonlyMap<number, string>): ByteLevelVocabulary {
  const tokens: (string | undefined)[] = [];
  const put = (id: number, token: string): void => {
    while (tokens.length <= id) tokens.push(undefined);
    tokens[id] = token;
  };
  for (const [token, id] of Object.entries(model.vocab as Record<string, number>)) put(id, token);
  for (const [id, token] of added) put(id, token);
  const merges = (model.merges as (string | [string, string])[]).map((merge) => typeof merge === "string" ? merge : merge.join(" "));
  return { tokens, merges, special: new Set(added.keys()) };
}

/** The library may meet in a text what it did not expect in the file. */
function attempt<T>(argument: string, value: unknown, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new KvasmError("tokenizer", `tokenizer: ${argument}: cannot convert ${shown(value)} (${cause instanceof Error ? cause.message : String(cause)}). Its files may be damaged.`, { argument, value, cause });
  }
}

/** The bytes of each token of a byte-level vocabulary, whose tokens are written with one printable character for each byte. */
function byteTable(library: Library, added: ReadonlyMap<number, string>): (id: number) => Uint8Array {
  const byteOf = new Map(byteCharacters().map((character, byte) => [character, byte]));
  const utf8 = new TextEncoder();
  const bytes: Uint8Array[] = [];
  return (id) => bytes[id] ??= make(id);

  function make(id: number): Uint8Array {
    const content = added.get(id);
    if (content !== undefined) return utf8.encode(content);
    const result: number[] = [];
    for (const character of library.id_to_token(id) ?? "") {
      const byte = byteOf.get(character);
      if (byte !== undefined) result.push(byte);
      else result.push(...utf8.encode(character));
    }
    return Uint8Array.from(result);
  }
}

/**
 * For decoders whose text of a token depends on its neighbours: the text of the last tokens with and without the new one are
 * compared, and what ends in a broken character is kept back.
 */
function windowStream(vocabSize: number, decode: (ids: readonly number[]) => string): TokenStream {
  let shownIds: number[] = [];
  let heldIds: number[] = [];
  const flush = (): string => {
    const text = decode([...shownIds, ...heldIds]).slice(decode(shownIds).length);
    shownIds = heldIds;
    heldIds = [];
    return text;
  };
  return {
    push(id) {
      checkId("id", id, vocabSize);
      heldIds.push(id);
      const broken = decode([...shownIds, ...heldIds]).endsWith("\ufffd");
      return broken && heldIds.length < PATIENCE ? "" : flush();
    },
    end() {
      const text = flush();
      shownIds = [];
      return text;
    },
  };
}

/** What the library takes for granted. */
function checkModel(model: JsonObject, file: string): void {
  const { type, vocab, merges } = model;
  if (isObject(vocab)) checkVocabulary(vocab, file);
  if (type === "Unigram" ? !Array.isArray(vocab) : !isObject(vocab)) fail(file, "model.vocab", vocab, type === "Unigram" ? "a list" : "an object");
  if (Array.isArray(vocab)) {
    const bad = vocab.find((entry) => !Array.isArray(entry) || typeof entry[0] !== "string" || typeof entry[1] !== "number");
    if (bad !== undefined) fail(file, "model.vocab", bad, "pairs of token and score");
  }
  if (type !== "BPE") return;
  const isPair = (pair: unknown): boolean => Array.isArray(pair) && pair.length === 2 && pair.every((token) => typeof token === "string");
  const format = Array.isArray(merges) && Array.isArray(merges[0]) ? isPair : (pair: unknown): boolean => typeof pair === "string" && pair.split(" ").length === 2;
  if (!Array.isArray(merges) || !merges.every(format)) fail(file, "model.merges", merges, "a list of pairs of tokens, all written in one way");
}

function checkVocabulary(vocab: Record<string, unknown>, file: string): void {
  const ids = new Set<unknown>();
  for (const [token, id] of Object.entries(vocab)) {
    if (!isTokenId(id)) fail(file, shown(token), id, "an id");
    if (ids.has(id)) fail(file, shown(token), id, "an id of its own");
    ids.add(id);
  }
}

function isTokenId(id: unknown): id is number {
  return typeof id === "number" && Number.isInteger(id) && id >= 0 && id < MOST_TOKENS;
}

function fail(file: string, argument: string, value: unknown, wanted: string): never {
  throw new KvasmError("tokenizer", `${file}: ${argument}: expected ${wanted}, got ${shown(value)}.`, { argument, value });
}
