/** Text → added tokens → normalised → added tokens → words → ids, and back (tokenizers, tokenizer/mod.rs). */
import { KvasmError, shown } from "../../errors.ts";
import type { JsonObject } from "../../weights/json.ts";
import { AddedTokens } from "../added-tokens.ts";
import type { AddedToken } from "../added-tokens.ts";
import { byteCharacters } from "../byte-alphabet.ts";
import { ByteDecoding } from "../byte-stream.ts";
import { checkIds, checkText } from "../tokenizer.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { windowStream } from "../window-stream.ts";
import { checkDecoder, wordModel } from "./model.ts";
import type { WordModel } from "./model.ts";
import { normalizerOf } from "./normalizers.ts";
import { preTokenizerOf } from "./pre-tokenizers.ts";
import { isObject } from "../../weights/json.ts";

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
  const decoder = checkDecoder(parts.decoder);
  const isByteLevel = decoder?.type === "ByteLevel";
  const model = wordModel(parts.model, { bytes: spellsBytes(parts.preTokenizer), decoder: isByteLevel ? null : decoder });
  const tokens = textsOf(model, parts.addedTokens);

  const raw = new AddedTokens(parts.addedTokens.filter(({ normalized }) => !normalized));
  const normalized = new AddedTokens(parts.addedTokens.filter((token) => token.normalized), ({ content }) => normalize === null ? content : normalize(content));
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
        else for (const word of cut([part])) for (const id of model.ids(word.text)) ids.push(id);
      }
    }
    return ids;
  };

  if (isByteLevel) {
    const decoding = new ByteDecoding(tokens.length, byteTable(tokens, new Map(parts.addedTokens.map(({ id, content }) => [id, content]))));
    return { model, tokenizer: { vocabSize: tokens.length, encode, decode: (ids) => decoding.decode(ids), stream: () => decoding.stream() } };
  }
  // The library's decoders ask its model for the texts.
  tokens.forEach((token, id) => { if (token !== undefined) (model.library.model!.vocab as string[])[id] = token; });
  const decode = (ids: readonly number[]): string => {
    const known = ids.filter((id) => tokens[id] !== undefined);
    if (known.length === 0) return "";
    try {
      return model.library.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: false });
    } catch (cause) {
      throw new KvasmError("tokenizer", `tokenizer: ids: cannot convert ${shown(ids)} (${cause instanceof Error ? cause.message : String(cause)}). Its files may be damaged.`, { argument: "ids", value: ids, cause });
    }
  };
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

/** A step of ByteLevel is among those that cut. */
function spellsBytes(json: unknown): boolean {
  if (!isObject(json)) return false;
  return json.type === "ByteLevel" || (Array.isArray(json.pretokenizers) && json.pretokenizers.some(spellsBytes));
}

/** By id; undefined: no token has it. */
function textsOf(model: WordModel, added: readonly AddedToken[]): (string | undefined)[] {
  const tokens: (string | undefined)[] = [];
  const put = (id: number, token: string): void => {
    while (tokens.length <= id) tokens.push(undefined);
    tokens[id] = token;
  };
  for (const [token, id] of model.vocabulary) put(id, token);
  for (const { id, content } of added) put(id, content);
  return tokens;
}

/** The bytes of each token of a byte-level vocabulary, whose tokens are written with one printable character for each byte. */
function byteTable(tokens: readonly (string | undefined)[], added: ReadonlyMap<number, string>): (id: number) => Uint8Array {
  const byteOf = new Map(byteCharacters().map((character, byte) => [character, byte]));
  const utf8 = new TextEncoder();
  const bytes: Uint8Array[] = [];
  return (id) => bytes[id] ??= make(id);

  function make(id: number): Uint8Array {
    const text = added.get(id) ?? tokens[id] ?? "";
    const spelled = [...text].map((character) => byteOf.get(character));
    // A token with a character that spells no byte stands for its text.
    return added.has(id) || spelled.includes(undefined) ? utf8.encode(text) : Uint8Array.from(spelled as number[]);
  }
}
