import ranks from "gpt-tokenizer/bpeRanks/r50k_base";
import { byteCharacters } from "./byte-alphabet.ts";
import { END_OF_TEXT, GPT2_VOCABULARY } from "./tokenizer.ts";
import type { ByteLevelVocabulary } from "./tokenizer.ts";

export const END_OF_TEXT_ID = GPT2_VOCABULARY - 1;

const utf8 = new TextEncoder();

/** The bytes that a token of GPT-2's vocabulary stands for. */
export function gpt2TokenBytes(id: number): Uint8Array {
  const token = id === END_OF_TEXT_ID ? END_OF_TEXT : ranks[id];
  return typeof token === "string" ? utf8.encode(token) : Uint8Array.from(token);
}

/** GPT-2's vocabulary as vocab.json writes it: one printable character for each byte. */
export function gpt2Tokens(): string[] {
  const characters = byteCharacters();
  return Array.from({ length: END_OF_TEXT_ID + 1 }, (_, id) => {
    if (id === END_OF_TEXT_ID) return END_OF_TEXT;
    let text = "";
    for (const byte of gpt2TokenBytes(id)) text += characters[byte];
    return text;
  });
}

/** With the merges, which a list of ranks does not have: a token's merge is what is left when its own rank is the next. */
export function gpt2Vocabulary(): ByteLevelVocabulary {
  const tokens = gpt2Tokens();
  const ranks = new Map(tokens.map((token, id) => [token, id]));
  const merges = tokens.slice(256, END_OF_TEXT_ID).map((token, i) => {
    const parts = [...token];
    while (parts.length > 2) {
      let best = 256 + i;
      let at = -1;
      for (let p = 0; p + 1 < parts.length; p++) {
        const rank = ranks.get(parts[p] + parts[p + 1]);
        if (rank !== undefined && rank < best) {
          best = rank;
          at = p;
        }
      }
      if (at < 0) throw new Error(`token ${256 + i} of GPT-2's vocabulary is no merge of others`); // there is none such
      parts.splice(at, 2, parts[at] + parts[at + 1]);
    }
    return parts.join(" ");
  });
  return { tokens, merges, added: new Map([[END_OF_TEXT_ID, { special: true }]]) };
}
