/** Text → added tokens → normalised → added tokens → words → ids, and back (tokenizers, tokenizer/mod.rs). */
import { KvasmError, shown } from "../../errors.ts";
import { isObject } from "../../files/json.ts";
import type { JsonObject } from "../../files/json.ts";
import { AddedTokens } from "../added-tokens.ts";
import type { AddedToken } from "../added-tokens.ts";
import { byteLevelBytes } from "../byte-alphabet.ts";
import { ByteDecoding } from "../byte-stream.ts";
import { checkIds, checkText } from "../tokenizer.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { windowStream } from "../window-stream.ts";
import { decoderOf, isByteLevel } from "./decoders.ts";
import { wordModel } from "./model.ts";
import { normalizerOf } from "./normalizers.ts";
import { preTokenizerOf } from "./pre-tokenizers.ts";
import { unsupported } from "./strict.ts";
import { UNKNOWN } from "./word-model.ts";
import type { WordModel } from "./word-model.ts";

export interface Parts {
  readonly model: JsonObject;
  readonly addedTokens: readonly AddedToken[];
  readonly normalizer?: unknown;
  readonly preTokenizer?: unknown;
  readonly decoder?: unknown;
}

export interface Built {
  readonly tokenizer: Tokenizer;
  readonly model: WordModel;
}

/** @throws Unsupported */
export function buildTokenizer(parts: Parts): Built {
  const normalize = normalizerOf(parts.normalizer);
  const cut = preTokenizerOf(parts.preTokenizer);
  checkFirst(normalize, parts.preTokenizer);
  const spells = isByteLevel(parts.decoder);
  const joined = spells ? undefined : decoderOf(parts.decoder);
  const model = wordModel(parts.model);
  const asFound = (token: AddedToken): string => token.normalized && normalize !== null ? normalize(token.content) : token.content;
  const added = new Map(parts.addedTokens.map((token) => [token.id, asFound(token)]));
  const tokens = textsOf(model, added);

  const patterns = parts.addedTokens.filter((token) => token.normalized).map(asFound);
  if (new Set(patterns).size < patterns.length) unsupported("added_tokens, two of them the same when normalized,", patterns);
  const raw = new AddedTokens(parts.addedTokens.filter(({ normalized }) => !normalized));
  const normalized = new AddedTokens(parts.addedTokens.filter((token) => token.normalized), asFound);
  const encode = (given: string): number[] => {
    const text = checkText(given).replace(/\p{Surrogate}/gu, "\ufffd");
    const ids: number[] = [];
    for (const section of raw.split(text)) {
      if ("id" in section) {
        ids.push(section.id);
        continue;
      }
      for (const part of normalized.split(normalize === null ? section.text : normalize(section.text), section.isFirst)) {
        if ("id" in part) ids.push(part.id);
        else for (const word of cut([part])) model.encode(word.text, ids);
      }
    }
    if (ids.includes(UNKNOWN)) throw new KvasmError("tokenizer", `tokenizer: the vocabulary has no token for a part of ${shown(given)}, and no unknown token. Leave that part out.`, { argument: "text", value: given });
    return ids;
  };

  if (joined === undefined) {
    const decoding = new ByteDecoding(tokens.length, byteTable(tokens, parts.addedTokens));
    return { model, tokenizer: { vocabSize: tokens.length, encode, decode: (ids) => decoding.decode(ids), stream: () => decoding.stream() } };
  }
  const decode = (ids: readonly number[]): string => joined(ids.flatMap((id) => tokens[id] ?? []));
  return {
    model,
    tokenizer: {
      vocabSize: tokens.length,
      encode,
      decode(ids) {
        checkIds(ids, tokens.length);
        return decode(Array.from(ids));
      },
      stream: () => windowStream(tokens.length, decode),
    },
  };
}

/** Where a text begins, a normalizer may have moved, and only the reference's offsets would tell. */
function checkFirst(normalizer: unknown, words: unknown): void {
  const isFirst = (json: unknown): boolean => isObject(json) && (json.prepend_scheme === "first" || (Array.isArray(json.pretokenizers) && json.pretokenizers.some(isFirst)));
  const prepends = (json: unknown): boolean => isObject(json) && (json.type === "ByteLevel" || json.type === "Metaspace" || json.type === "Sequence");
  if (!isFirst(words)) return;
  if (normalizer !== null) unsupported("pre_tokenizer.prepend_scheme, behind a normalizer,", "first");
  if (isObject(words) && Array.isArray(words.pretokenizers) && words.pretokenizers.some((one, i, all) => isFirst(one) && all.slice(0, i).some(prepends))) unsupported("pre_tokenizer.prepend_scheme, behind what puts text before a word,", "first");
}

/** By id; undefined: no token has it. */
function textsOf(model: WordModel, added: ReadonlyMap<number, string>): (string | undefined)[] {
  const tokens: (string | undefined)[] = [];
  const put = (id: number, token: string): void => {
    while (tokens.length <= id) tokens.push(undefined);
    tokens[id] = token;
  };
  for (const [token, id] of model.vocabulary) put(id, token);
  for (const [id, content] of added) put(id, content);
  return tokens;
}

/**
 * The bytes of each token. An added token's text is its content, although the reference takes letters like é in it for bytes; but one that
 * is looked for in the normalized text has that form's.
 */
function byteTable(tokens: readonly (string | undefined)[], added: readonly AddedToken[]): (id: number) => Uint8Array {
  const utf8 = new TextEncoder();
  const bytes: Uint8Array[] = [];
  const plain = new Set(added.filter(({ id, content }) => tokens[id] === content).map(({ id }) => id));
  return (id) => bytes[id] ??= plain.has(id) ? utf8.encode(tokens[id]) : byteLevelBytes(tokens[id] ?? "");
}
