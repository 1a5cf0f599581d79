import { shown } from "../errors.ts";
import { isObject, parseJsonObject } from "../files/json.ts";
import type { JsonObject } from "../files/json.ts";
import type { AddedToken } from "./added-tokens.ts";
import { byteCharacters } from "./byte-alphabet.ts";
import { buildTokenizer } from "./huggingface/pipeline.ts";
import type { Parts } from "./huggingface/pipeline.ts";
import { Unsupported, fieldsOf, isAnything, isBoolean, isString, unsupported } from "./huggingface/strict.ts";
import type { ByteLevelVocabulary, LoadedTokenizer } from "./tokenizer.ts";
import { checkModel, fail, isTokenId } from "./vocabulary-files.ts";
import { setVocabulary } from "./vocabulary.ts";

/**
 * A tokenizer from the text of a tokenizer.json; null, and why, if anything in it is not known to give the reference's ids (Hugging
 * Face's tokenizers 0.23).
 * @throws KvasmError `tokenizer` if it is malformed
 */
export function fromTokenizerJson(text: string): LoadedTokenizer {
  const file = "tokenizer.json";
  const json = parseJsonObject(text, file, "tokenizer");
  const { model } = json;
  if (!isObject(model)) return fail(file, "model", model, "an object");
  const added = json.added_tokens ?? [];
  if (!Array.isArray(added)) return fail(file, "added_tokens", added, "a list");
  for (const token of added) {
    if (!isObject(token) || typeof token.content !== "string" || token.content === "") return fail(file, "added_tokens", token, "tokens with content and id");
    if (!isTokenId(token.id)) return fail(file, `added_tokens: ${shown(token.content)}`, token.id, "an id");
  }
  checkModel(model, file);
  return loaded(file, () => {
    // Neither cuts nor fills here, and nothing is added at the ends.
    fieldsOf("tokenizer.json", json, { version: isAnything, truncation: isAnything, padding: isAnything, post_processor: isAnything, added_tokens: isAnything, normalizer: isAnything, pre_tokenizer: isAnything, decoder: isAnything, model: isAnything });
    return { model, addedTokens: addedTokens(added as JsonObject[], model), normalizer: json.normalizer, preTokenizer: json.pre_tokenizer, decoder: json.decoder };
  });
}

/** Byte-level BPE as GPT-2 has it, from tokens with their ids, merges by rank, and tokens that are found in a text as they are. */
export function byteLevelTokenizer(file: string, tokens: Iterable<readonly [string, number]>, merges: readonly (readonly [string, string])[], added: readonly AddedToken[], { addPrefixSpace = false } = {}): LoadedTokenizer {
  return loaded(file, () => ({
    model: { type: "BPE", vocab: Object.fromEntries(tokens), merges: merges as [string, string][] },
    addedTokens: added,
    preTokenizer: { type: "ByteLevel", add_prefix_space: addPrefixSpace, use_regex: true },
    decoder: { type: "ByteLevel" },
  }));
}

/** A token as most are: found wherever its text stands. */
export function plainToken(id: number, content: string, special: boolean): AddedToken {
  return { id, content, singleWord: false, lstrip: false, rstrip: false, normalized: false, special };
}

function loaded(file: string, read: () => Parts): LoadedTokenizer {
  try {
    const parts = read();
    const { tokenizer } = buildTokenizer(parts);
    if (hasGpt2Words(parts)) setVocabulary(tokenizer, () => vocabularyFrom(parts));
    return { tokenizer };
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    return { tokenizer: null, note: `tokenizer: ${file}: ${error.message}, for which kvasm is not sure of the ids. Pass token ids.` };
  }
}

/** With the ids that the reference gives, which looks at the order and not at `id`. @throws Unsupported where the file says otherwise */
function addedTokens(list: readonly JsonObject[], model: JsonObject): AddedToken[] {
  const vocabulary: ReadonlyMap<string, number> = Array.isArray(model.vocab) ? new Map((model.vocab as [string, number][]).map(([token], id) => [token, id])) : new Map(Object.entries(model.vocab as Record<string, number>));
  const given = new Map<string, number>();
  const taken = new Set<number>();
  let last = -1;
  return list.map((json, i) => {
    const where = `added_tokens[${i}]`;
    fieldsOf(where, json, { id: isTokenId, content: isString, single_word: isBoolean, lstrip: isBoolean, rstrip: isBoolean, normalized: isBoolean, special: isBoolean });
    const content = json.content as string;
    const id = vocabulary.get(content) ?? given.get(content) ?? Math.max(last + 1, vocabulary.size);
    if (id !== json.id) unsupported(`${where}.id (the reference gives ${id})`, json.id);
    if (!given.has(content) && taken.has(id)) unsupported(`${where}.id, which another has,`, id);
    taken.add(id);
    given.set(content, id);
    last = Math.max(last, id);
    const special = json.special === true;
    return { id, content, singleWord: json.single_word === true, lstrip: json.lstrip === true, rstrip: json.rstrip === true, normalized: json.normalized === undefined ? !special : json.normalized === true, special };
  });
}

/** Byte-level BPE as GPT-2 has it, with nothing before or beside it: what a GGUF file can say. */
function hasGpt2Words({ normalizer, preTokenizer: words, model, addedTokens }: Parts): boolean {
  return (normalizer === null || normalizer === undefined) && isObject(words) && words.type === "ByteLevel" && words.add_prefix_space === false && words.use_regex !== false
    && (model.type === undefined || model.type === "BPE") && isObject(model.vocab) && Array.isArray(model.merges)
    && model.ignore_merges !== true && !model.end_of_word_suffix && !model.continuing_subword_prefix && model.byte_fallback !== true && spellsAll(model) && arePlain(addedTokens);
}

/** Found like the longest of one list, though those that are normalised are looked for after the others. */
function arePlain(tokens: readonly AddedToken[]): boolean {
  const overtakes = (late: string, early: string): boolean => {
    if (late.includes(early)) return true;
    for (let length = 1; length < Math.min(late.length, early.length); length++) if (late.endsWith(early.slice(0, length))) return true;
    return false;
  };
  const [late, early] = [true, false].map((normalized) => tokens.filter((token) => token.normalized === normalized));
  return tokens.every(({ singleWord, lstrip, rstrip }) => !singleWord && !lstrip && !rstrip)
    && late.every((one) => !early.some((other) => overtakes(one.content, other.content)));
}

/** Every byte has a token, or what has none is left out: a token for the unknown is not used. */
function spellsAll({ vocab, unk_token }: JsonObject): boolean {
  return unk_token === null || unk_token === undefined || byteCharacters().every((character) => Object.hasOwn(vocab as object, character));
}

function vocabularyFrom({ model, addedTokens }: Parts): ByteLevelVocabulary {
  const tokens: (string | undefined)[] = [];
  const put = (id: number, token: string): void => {
    while (tokens.length <= id) tokens.push(undefined);
    tokens[id] = token;
  };
  for (const [token, id] of Object.entries(model.vocab as Record<string, number>)) put(id, token);
  for (const { id, content } of addedTokens) put(id, content);
  const merges = (model.merges as (string | [string, string])[]).map((merge) => typeof merge === "string" ? merge : merge.join(" "));
  return { tokens, merges, added: new Map(addedTokens.map((token) => [token.id, token])) };
}
