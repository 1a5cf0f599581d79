/**
 * Regular expressions of tokenizers, for every JavaScript engine the same: categories of one Unicode version, white space as Unicode has it,
 * and of Oniguruma's syntax, in which tokenizer.json writes them, what JavaScript's can express.
 */
import { WHITE_SPACE, classBody, complement, isCategory, rangesOf, union } from "./categories.ts";
import type { Ranges } from "./categories.ts";

/** Letters that are none by category but alphabetic: circled and squared ones. */
const OTHER_ALPHABETIC: Ranges = [[0x24b6, 0x24e9], [0x1f130, 0x1f149], [0x1f150, 0x1f169], [0x1f170, 0x1f189]];

/** \w of the Rust crate regex. Oniguruma's is without the two joiners. */
export function wordCharacters(): Ranges {
  return union(rangesOf(["L", "M", "Nd", "Nl", "Pc"]), OTHER_ALPHABETIC, [[0x200c, 0x200d]]);
}

class Unsupported extends Error {}

/**
 * A source for `new RegExp(…, "gu")` that finds what Oniguruma finds with `source`; null where that cannot be said for certain
 * (\b, ^ and $, sets of sets, scripts, back references and the like).
 */
export function pinnedPattern(source: string): string | null {
  try {
    return new Translation(source).whole();
  } catch (error) {
    if (error instanceof Unsupported) return null;
    throw error;
  }
}

class Translation {
  readonly #characters: readonly string[];
  #at = 0;
  #groups = 0;

  constructor(source: string) {
    this.#characters = [...source];
  }

  whole(): string {
    const result = this.#alternatives(false);
    if (this.#at < this.#characters.length) this.#refuse(); // a bracket too many
    return result;
  }

  #alternatives(ignoreCase: boolean): string {
    let result = "";
    for (let next = this.#peek(); next !== undefined && next !== ")"; next = this.#peek()) {
      if (next === "|") result += this.#take();
      else result += this.#quantified(this.#atom(ignoreCase));
    }
    return result;
  }

  /** One of: a group, a class, an escape, a character. */
  #atom(ignoreCase: boolean): string {
    const next = this.#take();
    if (next === "(") return this.#group(ignoreCase);
    if (next === "[") return this.#class(ignoreCase);
    if (next === ".") return "[^\\n]";
    if (next === "\\") return this.#escape(ignoreCase);
    if ("^$*+?{".includes(next)) return this.#refuse();
    return literal(next, ignoreCase);
  }

  #group(ignoreCase: boolean): string {
    let opening = "(?:";
    let inner = ignoreCase;
    if (this.#skip("?")) {
      if (this.#skip("i:")) inner = true;
      else if (this.#skip(":")) opening = "(?:";
      else if (this.#skip("=")) opening = "(?=";
      else if (this.#skip("!")) opening = "(?!";
      else if (this.#skip("<=")) opening = "(?<=";
      else if (this.#skip("<!")) opening = "(?<!";
      else if (this.#skip(">")) {
        const body = this.#alternatives(inner);
        if (!this.#skip(")")) this.#refuse();
        return this.#atomic(`(?:${body})`);
      } else this.#refuse();
    }
    const body = this.#alternatives(inner);
    if (!this.#skip(")")) this.#refuse();
    return `${opening}${body})`;
  }

  /** What is found is not tried otherwise later: JavaScript keeps that of a lookahead. */
  #atomic(source: string): string {
    const name = `atomic${this.#groups++}`;
    return `(?:(?=(?<${name}>${source}))\\k<${name}>)`;
  }

  #quantified(atom: string): string {
    let quantifier: string;
    const next = this.#peek();
    if (next === "*" || next === "+" || next === "?") {
      quantifier = this.#take();
    } else if (next === "{") {
      const match = /^\{(\d+)(,(\d*))?\}/.exec(this.#characters.slice(this.#at, this.#at + 24).join(""));
      if (match === null) return this.#refuse();
      quantifier = match[0];
      this.#at += quantifier.length;
      const after = this.#peek();
      // In Oniguruma's syntax x{2}? is optional, and x{2,3}+ is repeated, not possessive.
      if (after === "?" && match[2] === undefined) this.#refuse();
      if (after === "+" || after === "*" || after === "{") return this.#quantified(`(?:${atom}${quantifier})`);
      return atom + quantifier + (this.#skip("?") ? "?" : "");
    } else return atom;
    if (this.#skip("?")) return this.#once(atom + quantifier + "?");
    if (this.#skip("+")) return this.#once(this.#atomic(atom + quantifier));
    return this.#once(atom + quantifier);
  }

  /** Oniguruma repeats what is repeated already; JavaScript does not. */
  #once(source: string): string {
    const next = this.#peek();
    if (next !== undefined && "*+?{".includes(next)) this.#refuse();
    return source;
  }

  #escape(ignoreCase: boolean): string {
    const set = this.#set();
    if (set !== undefined) return `[${classBody(set)}]`;
    return literal(this.#character(), ignoreCase);
  }

  /** After a backslash: the set that a letter stands for, or undefined, and nothing is taken. */
  #set(): Ranges | undefined {
    const next = this.#peek();
    if (next === "p" || next === "P") {
      const match = /^[pP]\{(\^?)(\w+)\}/.exec(this.#characters.slice(this.#at, this.#at + 40).join(""));
      if (match === null || !isCategory(match[2])) return this.#refuse();
      this.#at += match[0].length;
      const ranges = rangesOf([match[2]]);
      return (next === "P") !== (match[1] === "^") ? complement(ranges) : ranges;
    }
    const sets: Record<string, () => Ranges> = {
      s: () => WHITE_SPACE, S: () => complement(WHITE_SPACE), d: () => rangesOf(["Nd"]), D: () => complement(rangesOf(["Nd"])),
    };
    if (next === undefined || !Object.hasOwn(sets, next)) return undefined;
    this.#at++;
    return sets[next]();
  }

  /** After a backslash: the one character that is meant. */
  #character(): string {
    const next = this.#take();
    const known: Record<string, string> = { n: "\n", r: "\r", t: "\t", f: "\f", v: "\v", a: "\x07", e: "\x1b" };
    if (Object.hasOwn(known, next)) return known[next];
    const rest = this.#characters.slice(this.#at, this.#at + 10).join("");
    const hex = next === "x" ? /^(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{2}))/.exec(rest) : next === "u" ? /^([0-9a-fA-F]{4})/.exec(rest) : null;
    if (hex !== null) {
      const code = Number.parseInt(hex[1] ?? hex[2], 16);
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000) || (next === "x" && hex[2] !== undefined && code > 0x7f)) this.#refuse();
      this.#at += hex[0].length;
      return String.fromCodePoint(code);
    }
    return /[a-zA-Z0-9\u0080-\u{10ffff}]/u.test(next) ? this.#refuse() : next;
  }

  #class(ignoreCase: boolean): string {
    const negated = this.#skip("^");
    let body = "";
    for (let isFirst = true; !this.#skip("]"); isFirst = false) {
      const next = this.#peek();
      if (next === undefined || next === "[" || (isFirst && next === "]") || this.#characters.slice(this.#at, this.#at + 2).join("") === "&&") this.#refuse();
      if (next === "\\") {
        this.#at++;
        const set = this.#set();
        if (set !== undefined) {
          body += classBody(set);
          continue;
        }
      }
      const first = next === "\\" ? this.#character() : this.#take();
      if (this.#peek() !== "-" || this.#characters[this.#at + 1] === "]") {
        body += folds(first, ignoreCase).map(escaped).join("");
        continue;
      }
      this.#at++;
      if (ignoreCase || this.#peek() === "[") this.#refuse();
      const last = this.#skip("\\") ? (this.#set() === undefined ? this.#character() : this.#refuse()) : this.#take();
      if (first.codePointAt(0)! > last.codePointAt(0)!) this.#refuse();
      body += `${escaped(first)}-${escaped(last)}`;
    }
    if (body === "") this.#refuse();
    return `[${negated ? "^" : ""}${body}]`;
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #take(): string {
    return this.#characters[this.#at++] ?? this.#refuse();
  }

  #skip(text: string): boolean {
    if (this.#characters.slice(this.#at, this.#at + text.length).join("") !== text) return false;
    this.#at += text.length;
    return true;
  }

  #refuse(): never {
    throw new Unsupported();
  }
}

function literal(character: string, ignoreCase: boolean): string {
  const all = folds(character, ignoreCase);
  return all.length === 1 ? escaped(character) : `[${all.map(escaped).join("")}]`;
}

function escaped(character: string): string {
  return /[a-zA-Z0-9]/.test(character) ? character : `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

/** The characters that count as this one when case does not: of ASCII's letters, which is all that is certain everywhere. */
function folds(character: string, ignoreCase: boolean): string[] {
  if (!ignoreCase) return [character];
  if (character > "\x7f") throw new Unsupported();
  if (!/[a-zA-Z]/.test(character)) return [character];
  const lower = character.toLowerCase();
  const all = [lower, character.toUpperCase()];
  if (lower === "s") all.push("\u017f");
  if (lower === "k") all.push("\u212a");
  return all;
}

/** GPT-2's words (encoder.py): contractions, letters, numbers, other signs, each with a space before it, and white space. */
export const GPT2_WORDS = pinnedPattern("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+")!;
