import { BytePairEncodingCore } from "gpt-tokenizer/BytePairEncodingCore";
import ranks from "gpt-tokenizer/bpeRanks/r50k_base";
import { ByteDecoding } from "./byte-stream.ts";
import { END_OF_TEXT_ID, gpt2TokenBytes } from "./gpt2-vocabulary.ts";
import { LongWords } from "./long-words.ts";
import { END_OF_TEXT, checkText } from "./tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { WHITE_SPACE, classBody } from "./unicode/categories.ts";
import { GPT2_WORDS } from "./unicode/pattern.ts";

/** Characters of a word from which on gpt-tokenizer's time, which grows with the square, matters. */
const LONG = 1000;
/** The library's own would follow the engine's Unicode version and JavaScript's idea of white space. */
const WORDS = new RegExp(GPT2_WORDS, "gu");
const SPACE = classBody(WHITE_SPACE);
const HAS_LONG = new RegExp(`[^${SPACE}]{${LONG / 2}}|[${SPACE}]{${LONG}}`, "u");
/** In a regular expression's place: matchAll with one copies it for each text, and in some engines compiles its many ranges anew. */
const SPLITTER = { [Symbol.matchAll]: (text: string) => wordsOf(text).map((word) => [word]) } as unknown as RegExp;

let encoder: BytePairEncodingCore | undefined;
const utf8 = new TextEncoder();
const bytes: Uint8Array[] = [];
const decoding = new ByteDecoding(END_OF_TEXT_ID + 1, bytesOf);
let long: LongWords | undefined;

/** GPT-2's tokenizer, r50k_base of gpt-tokenizer. One object serves all models: it has no state but caches. */
export const gpt2Tokenizer: Tokenizer = {
  vocabSize: END_OF_TEXT_ID + 1,
  encode(text) {
    const ids: number[] = [];
    const core = encoder ??= makeEncoder();
    checkText(text).split(END_OF_TEXT).forEach((part, i) => {
      if (i > 0) ids.push(END_OF_TEXT_ID);
      if (!HAS_LONG.test(part)) return append(ids, core.encodeNative(part));
      for (const word of wordsOf(part)) {
        if (word.length < LONG) append(ids, core.encodeNative(word));
        else append(ids, (long ??= new LongWords(END_OF_TEXT_ID, bytesOf)).encode(utf8.encode(word)));
      }
    });
    return ids;
  },
  decode: (ids) => decoding.decode(ids),
  stream: () => decoding.stream(),
};

/** With the first text: its table takes 15 ms, for which whoever only loads, decodes or has ids should not wait. */
function makeEncoder(): BytePairEncodingCore {
  // gpt-tokenizer/encoding/r50k_base would be the same with 5 kB (gzipped) of chat formats and prices around it.
  return new BytePairEncodingCore({
    bytePairRankDecoder: ranks, specialTokensEncoder: new Map([[END_OF_TEXT, END_OF_TEXT_ID]]), tokenSplitRegex: SPLITTER,
    mergeCacheSize: 10_000, // words
  });
}

function wordsOf(text: string): readonly string[] {
  return text.match(WORDS) ?? [];
}

function bytesOf(id: number): Uint8Array {
  return bytes[id] ??= gpt2TokenBytes(id);
}

/** Not push(...more): arguments are limited. */
function append(ids: number[], more: ArrayLike<number>): void {
  for (let i = 0; i < more.length; i++) ids.push(more[i]);
}
