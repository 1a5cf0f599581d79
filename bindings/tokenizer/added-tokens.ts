/** Tokens that are found in a text as they are, before it is cut into words (tokenizers, added_vocabulary.rs). */
import { WHITE_SPACE, classBody } from "./unicode/categories.ts";
import { wordCharacters } from "./unicode/pattern.ts";

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Found only where no letter, mark or digit is next to it. */
  readonly singleWord: boolean;
  /** Takes the white space before it, and after it, along. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Looked for after the text was normalised, and normalised itself. */
  readonly normalized: boolean;
  readonly special: boolean;
}

/** A piece of text, or a token that was found. `isFirst`: it begins where the text does. */
export type Section = { readonly text: string; readonly isFirst: boolean } | { readonly id: number };

const SPACE = classBody(WHITE_SPACE);
/** With what stands before it: [ ]*$ alone takes time that grows with the square of a run of spaces. */
const SPACE_AT_END = new RegExp(`(?<![${SPACE}])[${SPACE}]*$`, "u");
const SPACE_AT_START = new RegExp(`^[${SPACE}]*`, "u");

/** Finds the leftmost, and of those that begin there the longest. */
export class AddedTokens {
  readonly #tokens: ReadonlyMap<string, AddedToken>;
  readonly #pattern: RegExp | undefined;
  #wordAtEnd: RegExp | undefined;
  #wordAtStart: RegExp | undefined;

  /** `content`: how a token reads in the text that will be searched. */
  constructor(tokens: readonly AddedToken[], content: (token: AddedToken) => string = (token) => token.content) {
    const map = new Map<string, AddedToken>();
    for (const token of tokens) {
      const text = content(token);
      if (text !== "" && !map.has(text)) map.set(text, token);
    }
    this.#tokens = map;
    const longestFirst = [...map.keys()].sort((a, b) => b.length - a.length);
    this.#pattern = longestFirst.length === 0 ? undefined : new RegExp(longestFirst.map(escaped).join("|"), "gu");
  }

  split(text: string, isFirst = true): Section[] {
    if (this.#pattern === undefined) return text === "" ? [] : [{ text, isFirst }];
    const sections: Section[] = [];
    let begin = 0;
    const pattern = this.#pattern;
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) { // matchAll would copy the pattern for each text
      const token = this.#tokens.get(match[0])!;
      let from = match.index;
      let to = from + match[0].length;
      if (token.singleWord && this.#touchesWord(text, from, to)) continue;
      if (token.lstrip) from = begin < from ? begin + SPACE_AT_END.exec(text.slice(begin, from))!.index : from;
      if (token.rstrip) to += SPACE_AT_START.exec(text.slice(to))![0].length;
      if (from > begin) sections.push({ text: text.slice(begin, from), isFirst: isFirst && begin === 0 });
      sections.push({ id: token.id });
      begin = to;
    }
    if (begin < text.length) sections.push({ text: text.slice(begin), isFirst: isFirst && begin === 0 });
    return sections;
  }

  #touchesWord(text: string, from: number, to: number): boolean {
    const word = (): string => classBody(wordCharacters());
    this.#wordAtEnd ??= new RegExp(`[${word()}]$`, "u");
    this.#wordAtStart ??= new RegExp(`^[${word()}]`, "u");
    // A character has at most two units.
    return this.#wordAtEnd.test(text.slice(Math.max(0, from - 2), from)) || this.#wordAtStart.test(text.slice(to, to + 2));
  }
}

/** Literally, a lone surrogate included. */
function escaped(text: string): string {
  return [...text].map((character) => `\\u{${character.codePointAt(0)!.toString(16)}}`).join("");
}
