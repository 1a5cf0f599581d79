import ranks from "gpt-tokenizer/bpeRanks/r50k_base";
import { byteCharacters } from "./byte-alphabet.ts";

export const END_OF_TEXT = "<|endoftext|>";
export const END_OF_TEXT_ID = 50256;

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
