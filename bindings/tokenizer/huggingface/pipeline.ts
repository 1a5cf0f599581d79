/** Text → added tokens → normalised → added tokens → words → ids, and back (tokenizers, tokenizer/mod.rs). */
import type { JsonObject } from "../../weights/json.ts";
import { AddedTokens } from "../added-tokens.ts";
import type { AddedToken } from "../added-tokens.ts";
import { byteCharacters } from "../byte-alphabet.ts";
import { ByteDecoding } from "../byte-stream.ts";
import { checkIds, checkText } from "../tokenizer.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { windowStream } from "../window-stream.ts";
import { decoderOf, isByteLevel } from "./decoders.ts";
import { wordModel } from "./model.ts";
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
  const spells = isByteLevel(parts.decoder);
  const joined = spells ? undefined : decoderOf(parts.decoder);
  const model = wordModel(parts.model, { bytes: spellsBytes(parts.preTokenizer) });
  const asFound = (token: AddedToken): string => token.normalized && normalize !== null ? normalize(token.content) : token.content;
  const added = new Map(parts.addedTokens.map((token) => [token.id, asFound(token)]));
  const tokens = textsOf(model, added);

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
        else for (const word of cut([part])) for (const id of model.ids(word.text)) ids.push(id);
      }
    }
    return ids;
  };

  if (joined === undefined) {
    const decoding = new ByteDecoding(tokens.length, byteTable(tokens, added));
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

/** A step of ByteLevel is among those that cut. */
function spellsBytes(json: unknown): boolean {
  if (!isObject(json)) return false;
  return json.type === "ByteLevel" || (Array.isArray(json.pretokenizers) && json.pretokenizers.some(spellsBytes));
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
