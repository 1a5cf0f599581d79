/**
 * The added tokens of a slow tokenizer's files, in the order and with the ids and flags that transformers 5 gives them
 * (tokenization_utils_base.py, `_from_pretrained`; tokenization_utils_tokenizers.py, `__init__`).
 */
import { shown } from "../errors.ts";
import { isObject } from "../files/json.ts";
import type { JsonObject } from "../files/json.ts";
import type { AddedToken } from "./added-tokens.ts";
import { END_OF_TEXT } from "./tokenizer.ts";
import { fail, isTokenId } from "./vocabulary-files.ts";

/** Files as objects; null where there is none. */
export interface SlowTokenFiles {
  readonly config: JsonObject;
  readonly added: JsonObject | null;
  readonly special: JsonObject | null;
}

/** A token before it has its id. `isSpecial`: by its own flags; none: written as a text alone. */
interface Found {
  readonly content: string;
  readonly flags: JsonObject | undefined;
  readonly isSpecial: boolean;
}

const CONFIG = "tokenizer_config.json";
const MAP = "special_tokens_map.json";
/** In the order in which those without an id get one. */
const NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
/** GPT-2's tokenizer has them where nothing is said. */
const DEFAULTS = ["bos_token", "eos_token", "unk_token"];

/** @returns `odd`: why kvasm is not sure of the ids, if it is not */
export function slowAddedTokens(vocab: Readonly<Record<string, number>>, rows: number, files: SlowTokenFiles): { tokens: AddedToken[]; odd?: string } {
  const { named, extra, others } = specialTokens(files);
  const listed = tokensById(files, extra);
  const withId = new Set(listed.map(({ content }) => content));
  const names = new Set([...named.values()].map(({ content }) => content));

  const tokens = new Map<string, AddedToken>();
  const ids = new Set(Object.values(vocab));
  const size = Object.keys(vocab).length;
  let next = size;
  let odd: string | undefined;
  const seen = new Set<string>();
  const add = ({ content, flags = {}, isSpecial }: Found, written?: number): void => {
    const before = tokens.get(content);
    if (content === "" || (written !== undefined && before !== undefined)) return;
    const special = isSpecial || names.has(content);
    const put = (id: number): unknown => tokens.set(content, {
      id, content, singleWord: flags.single_word === true, lstrip: flags.lstrip === true, rstrip: flags.rstrip === true, special,
      normalized: flags.normalized === true || (typeof flags.normalized !== "boolean" && !special),
    });
    if (before !== undefined) return void put(before.id);
    const known = Object.hasOwn(vocab, content) ? vocab[content] : undefined;
    if (known === undefined && written === undefined && next >= rows) return;
    const id = known ?? next++;
    if (written !== undefined && written !== id) odd ??= `the file gives ${shown(content)} the id ${written}, and transformers 5 the id ${id}: kvasm is not sure of the ids`;
    if (known === undefined && ids.has(id)) odd ??= `vocab.json leaves ids out, and ${shown(content)} would get the id ${id} of another token`;
    if (known !== undefined && known >= next) next = known + 1; // the next one is one more than the largest of those added
    put(id);
  };
  for (const token of [...listed].sort((a, b) => a.id - b.id)) add(token, token.id);
  // A text that is written in several ways counts as it is written last, but what was there already is passed over.
  for (const token of [...named.values(), ...others]) {
    const written = JSON.stringify([token.content, flagsOf(token)]);
    if (!withId.has(token.content) && !seen.has(written)) add(token);
    seen.add(written);
  }
  return { tokens: [...tokens.values()], ...(odd !== undefined && { odd }) };
}

/** null: a text alone. */
function flagsOf({ flags, isSpecial }: Found): unknown {
  if (flags === undefined) return null;
  const normalized = typeof flags.normalized === "boolean" ? flags.normalized : !isSpecial;
  return [flags.single_word === true, flags.lstrip === true, flags.rstrip === true, normalized, isSpecial];
}

/** Tokens to which a file gives an id: the configuration's, which makes the other files count for nothing, or else added_tokens.json's. */
function tokensById({ config, added, special }: SlowTokenFiles, extra: readonly Found[]): (Found & { readonly id: number })[] {
  const decoder = config.added_tokens_decoder;
  if (decoder !== undefined) {
    if (!isObject(decoder)) return fail(CONFIG, "added_tokens_decoder", decoder, "an object");
    return Object.entries(decoder).map(([key, token]) => {
      const id = /^\d+$/.test(key) ? Number(key) : undefined;
      if (!isTokenId(id)) return fail(CONFIG, "added_tokens_decoder", key, "ids");
      if (!isObject(token) || typeof token.content !== "string") return fail(CONFIG, `added_tokens_decoder: ${id}`, token, "a token with its content");
      return { id, content: token.content, flags: token, isSpecial: token.special === true };
    });
  }
  const contentOf = (value: unknown): unknown => isObject(value) ? value.content : value;
  const specials = new Set([...NAMES.map((name) => contentOf(special?.[name] !== undefined ? special[name] : config[name])), ...extra.map(({ content }) => content)]);
  return Object.entries(added ?? {}).map(([content, id]) => {
    if (!isTokenId(id)) return fail("added_tokens.json", shown(content), id, "an id");
    return { id, content, flags: {}, isSpecial: specials.has(content) };
  });
}

/**
 * Special tokens by the names that the files give them, GPT-2's first, and those that have no name; `extra`: of these what added_tokens.json
 * looks at.
 */
function specialTokens({ config, special }: SlowTokenFiles): { named: Map<string, Found>; extra: Found[]; others: Found[] } {
  const map = config.added_tokens_decoder === undefined && special !== null ? special : {};
  const fileOf = (name: string): string => Object.hasOwn(map, name) ? MAP : CONFIG;
  const both: JsonObject = { ...config, ...map };
  const read = (file: string, name: string, value: unknown, isSpecial: boolean): Found => {
    const content = isObject(value) ? value.content : value;
    if (typeof content !== "string") return fail(file, name, value, "a token");
    return { content, flags: isObject(value) ? value : undefined, isSpecial: isSpecial || !isObject(value) || value.special === true };
  };

  const named = new Map<string, Found>();
  for (const name of NAMES) {
    const value = both[name];
    if (value === undefined && DEFAULTS.includes(name)) named.set(name, { content: END_OF_TEXT, flags: undefined, isSpecial: true });
    else if (value !== undefined && value !== null) named.set(name, read(fileOf(name), name, value, true));
  }
  // Those of other names: first what special_tokens_map.json has or what has flags, then texts, then what is listed by name.
  const isToken = (value: unknown): boolean => typeof value === "string" || (isObject(value) && typeof value.content === "string");
  const own = Object.keys(both).filter((name) => name.endsWith("_token") && !NAMES.includes(name) && isToken(both[name]));
  const isLate = (name: string): boolean => typeof config[name] === "string" && !Object.hasOwn(map, name);
  for (const name of [...own.filter((name) => !isLate(name)), ...own.filter(isLate)]) {
    named.set(name, typeof config[name] === "string" ? read(CONFIG, name, config[name], true) : read(fileOf(name), name, both[name], true));
  }

  let extra = listOf(CONFIG, "extra_special_tokens", config.extra_special_tokens);
  let additional = listOf(CONFIG, "additional_special_tokens", config.additional_special_tokens);
  if (additional !== undefined && (extra === undefined || extra.length === 0)) [extra, additional] = [additional, undefined];
  const more = listOf(MAP, "extra_special_tokens", map.extra_special_tokens);
  if (more !== undefined) extra = [...extra ?? [], ...more];
  else if (isObject(map.extra_special_tokens)) extra = undefined;
  additional = listOf(MAP, "additional_special_tokens", map.additional_special_tokens) ?? additional;
  return { named, extra: extra ?? [], others: extra ?? additional ?? [] };

  /** An object's tokens have names, and are no list. */
  function listOf(file: string, name: string, value: unknown): Found[] | undefined {
    if (value === undefined || value === null) return undefined;
    if (Array.isArray(value)) return value.map((token) => read(file, name, token, file === MAP));
    if (!isObject(value)) return fail(file, name, value, "a list of tokens");
    for (const [key, token] of Object.entries(value)) named.set(key, read(file, `${name}: ${key}`, token, true));
    return undefined;
  }
}
