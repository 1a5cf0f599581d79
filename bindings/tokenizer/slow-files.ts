/**
 * GPT-2 tokenizers without tokenizer.json: vocab.json and merges.txt, and beside them what says which tokens are found as they are, read as
 * transformers 5 reads them (tokenization_utils_base.py, `_from_pretrained`).
 */
import { shown } from "../errors.ts";
import { isObject, parseJsonObject } from "../weights/json.ts";
import type { JsonObject } from "../weights/json.ts";
import type { AddedToken } from "./added-tokens.ts";
import { byteLevelTokenizer } from "./huggingface.ts";
import type { LoadedTokenizer } from "./tokenizer.ts";
import { checkVocabulary, fail, isTokenId } from "./vocabulary-files.ts";

/** Texts of the files; null where there is none. */
export interface SlowFiles {
  readonly vocabulary: string;
  readonly merges: string;
  readonly config: string | null;
  readonly added: string | null;
  readonly special: string | null;
}

const CLASSES: readonly unknown[] = [undefined, null, "GPT2Tokenizer", "GPT2TokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"];
const END_OF_TEXT = "<|endoftext|>";
const NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
const LISTS = ["additional_special_tokens", "extra_special_tokens"];

/**
 * A byte-level BPE tokenizer, as GPT-2 has it.
 * @throws KvasmError `tokenizer` if the files are malformed
 */
export function fromSlowFiles(files: SlowFiles): LoadedTokenizer {
  const vocab = parseJsonObject(files.vocabulary, "vocab.json", "tokenizer");
  checkVocabulary(vocab, "vocab.json");
  const merges = readMerges(files.merges, vocab);
  const config = files.config === null ? {} : parseJsonObject(files.config, "tokenizer_config.json", "tokenizer", "python");
  if (!CLASSES.includes(config.tokenizer_class)) {
    return { tokenizer: null, note: `tokenizer: tokenizer_config.json: tokenizer_class is ${shown(config.tokenizer_class)}, and kvasm reads vocab.json and merges.txt as GPT-2's. Pass token ids.` };
  }
  const prefix = config.add_prefix_space ?? false;
  if (typeof prefix !== "boolean") fail("tokenizer_config.json", "add_prefix_space", prefix, "true or false");
  const added = addedTokens(vocab as Record<string, number>, config, files);
  const wrong = outOfOrder(added, vocab);
  if (wrong !== undefined) {
    return { tokenizer: null, note: `tokenizer: the file gives ${shown(wrong.content)} the id ${wrong.id}, and transformers 5 the id ${wrong.expected}: kvasm is not sure of the ids. Pass token ids.` };
  }
  return byteLevelTokenizer("vocab.json", Object.entries(vocab as Record<string, number>), merges, added, { addPrefixSpace: prefix === true });
}

function readMerges(text: string, vocab: JsonObject): [string, string][] {
  const merges: [string, string][] = [];
  text.replace(/^\ufeff/, "").split(/\r?\n/).forEach((line, i) => {
    if (line === "" || (i === 0 && line.startsWith("#version"))) return;
    const pair = line.split(" ");
    if (pair.length !== 2 || pair.includes("")) fail("merges.txt", `line ${i + 1}`, line, "two tokens with a space between them");
    const absent = [...pair, pair.join("")].find((token) => !Object.hasOwn(vocab, token));
    if (absent !== undefined) fail("merges.txt", `line ${i + 1}`, absent, "tokens that vocab.json has");
    merges.push(pair as [string, string]);
  });
  return merges;
}

function addedTokens(vocab: Readonly<Record<string, number>>, config: JsonObject, files: SlowFiles): AddedToken[] {
  const map = files.special === null ? {} : parseJsonObject(files.special, "special_tokens_map.json", "tokenizer");
  const special = specialTokens(map, "special_tokens_map.json", specialTokens(config, "tokenizer_config.json", new Map()));
  for (const name of ["bos_token", "eos_token", "unk_token"]) {
    if (config[name] === undefined && map[name] === undefined && !special.has(END_OF_TEXT) && Object.hasOwn(vocab, END_OF_TEXT)) special.set(END_OF_TEXT, {});
  }
  const tokens = new Map<string, AddedToken>();
  const add = (content: string, id: number, flags: JsonObject, isSpecial: boolean): void => {
    if (content === "" || tokens.has(content)) return;
    tokens.set(content, {
      id, content, singleWord: flags.single_word === true, lstrip: flags.lstrip === true, rstrip: flags.rstrip === true, special: isSpecial,
      normalized: flags.normalized === true || (flags.normalized === undefined && !isSpecial),
    });
  };

  const decoder = config.added_tokens_decoder;
  if (decoder !== undefined && decoder !== null) {
    if (!isObject(decoder)) return fail("tokenizer_config.json", "added_tokens_decoder", decoder, "an object");
    for (const [key, token] of Object.entries(decoder)) {
      const id = /^\d+$/.test(key) ? Number(key) : undefined;
      if (!isTokenId(id)) return fail("tokenizer_config.json", "added_tokens_decoder", key, "ids");
      if (!isObject(token) || typeof token.content !== "string") return fail("tokenizer_config.json", `added_tokens_decoder: ${id}`, token, "a token with its content");
      add(token.content, id, token, token.special === true || special.has(token.content));
    }
  }
  const encoder = files.added === null ? {} : parseJsonObject(files.added, "added_tokens.json", "tokenizer");
  for (const [content, id] of Object.entries(encoder).sort(([, a], [, b]) => Number(a) - Number(b))) {
    if (!isTokenId(id)) return fail("added_tokens.json", shown(content), id, "an id");
    add(content, id, special.get(content) ?? {}, special.has(content));
  }
  let next = -1;
  for (const id of Object.values(vocab)) next = Math.max(next, id);
  for (const { id } of tokens.values()) next = Math.max(next, id);
  for (const [content, flags] of special) {
    if (tokens.has(content)) continue;
    add(content, Object.hasOwn(vocab, content) ? vocab[content] : ++next, flags, true);
  }
  return [...tokens.values()];
}

/** transformers 5 numbers tokens that vocab.json lacks one after the other, whatever the files say. */
function outOfOrder(added: readonly AddedToken[], vocab: JsonObject): { content: string; id: number; expected: number } | undefined {
  let next = Object.keys(vocab).length;
  for (const { content, id } of [...added].sort((a, b) => a.id - b.id)) {
    const expected = Object.hasOwn(vocab, content) ? vocab[content] as number : next++;
    if (id !== expected) return { content, id, expected };
  }
  return undefined;
}

/** Text → how it is found, of every special token that a file names. */
function specialTokens(json: JsonObject, file: string, into: Map<string, JsonObject>): Map<string, JsonObject> {
  const take = (name: string, value: unknown): void => {
    if (value === null || value === undefined) return;
    const content = isObject(value) ? value.content : value;
    if (typeof content !== "string") fail(file, name, value, "a token");
    else if (content !== "" && !into.has(content)) into.set(content, isObject(value) ? value : {});
  };
  for (const name of NAMES) take(name, json[name]);
  for (const name of LISTS) {
    const list = json[name];
    if (Array.isArray(list)) for (const value of list) take(name, value);
    else if (isObject(list)) for (const value of Object.values(list)) take(name, value);
  }
  return into;
}
