/**
 * Sets of characters and mappings of them as the reference, Hugging Face's tokenizers, has them, whatever version of Unicode the engine
 * has. All are regular expressions with the flags g and u, or without g where they are tested or executed.
 */
import { classBody, complement, union, WHITE_SPACE as WHITE_SPACE_RANGES } from "../unicode/categories.ts";
import type { Ranges } from "../unicode/categories.ts";
import { wordCharacters } from "../unicode/pattern.ts";
import * as table from "./reference-table.ts";

function ranges(packed: string): Ranges {
  let end = 0;
  return packed.split(" ").map((run) => {
    const [gap, more = "0"] = run.split("+");
    const first = end + Number.parseInt(gap, 36);
    const last = first + Number.parseInt(more, 36);
    end = last + 1;
    return [first, last] as const;
  });
}

const any = (set: Ranges): RegExp => new RegExp(`[${classBody(set)}]`, "gu");

const word = classBody(wordCharacters());
const space = classBody(WHITE_SPACE_RANGES);
export const WHITE_SPACE = any(WHITE_SPACE_RANGES);
export const SPACES_AT_START = new RegExp(`^[${space}]*`, "u");
/** Not [ ]*$, whose time grows with the square of a run of spaces. */
export const SPACES_AT_END = new RegExp(`(?<![${space}])[${space}]*$`, "u");
export const WORDS_AND_SIGNS = new RegExp(`[${word}]+|[${classBody(complement(union(wordCharacters(), WHITE_SPACE_RANGES)))}]+`, "gu");

export const PUNCTUATION = any(ranges(table.PUNCTUATION));
export const NUMERIC = any(ranges(table.NUMERIC));
export const COMBINING = any(ranges(table.COMBINING));
export const NONSPACING = any(ranges(table.NONSPACING));
export const CONTROL = any(ranges(table.CONTROL));
export const CHINESE = any(ranges(table.CHINESE));

const inert = new RegExp(`([${classBody(ranges(table.INERT))}])`, "u");

/** A normal form of the reference's Unicode: characters that are newer stay, and nothing goes past them. */
export function normalizeForm(text: string, form: "NFC" | "NFD" | "NFKC" | "NFKD"): string {
  return text.split(inert).map((part, i) => i % 2 === 1 ? part : part.normalize(form)).join("");
}

const lower = new Map<string, string>();
const codes = table.LOWER.split(" ").map((code) => String.fromCodePoint(Number.parseInt(code, 36)));
for (let i = 0; i < codes.length; i += 2) lower.set(codes[i], codes[i + 1]);

/** Each character alone: a sigma is the same at the end of a word. */
export function lowercase(text: string): string {
  let result = "";
  for (const character of text) result += lower.get(character) ?? character.toLowerCase();
  return result;
}
