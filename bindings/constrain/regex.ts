/** JavaScript's regular expressions, with the flag u, as patterns. The engine says whether the syntax is right; here it is only read. */
import { KvasmError, shown } from "../errors.ts";
import { characters, choice, complement, repeat, sequence } from "./pattern.ts";
import type { Pattern, Ranges } from "./pattern.ts";

const DIGIT: Ranges = [[0x30, 0x39]];
const WORD: Ranges = [[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
/** ECMAScript's white space and line terminators. */
const SPACE: Ranges = [[9, 13], [32, 32], [0xa0, 0xa0], [0x1680, 0x1680], [0x2000, 0x200a], [0x2028, 0x2029], [0x202f, 0x202f], [0x205f, 0x205f], [0x3000, 0x3000], [0xfeff, 0xfeff]];
const LINE_ENDS: Ranges = [[10, 10], [13, 13], [0x2028, 0x2029]];
const CLASSES: Readonly<Record<string, Ranges>> = { d: DIGIT, w: WORD, s: SPACE, D: complement(DIGIT), W: complement(WORD), S: complement(SPACE) };
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };

/**
 * The whole text has to match. Anchors at the ends of a branch outside of groups say the same, and may stand there.
 * @throws KvasmError `value` (bad syntax), `unsupported` (look-around, \b, back references, \p, flags other than s, u and g)
 */
export function patternOfRegex(source: string, flags: string): Pattern {
  try {
    new RegExp(source, "u");
  } catch (cause) {
    throw new KvasmError("value", `constrain.regex: ${shown(source)} is no regular expression with the flag u: ${(cause as Error).message}.`, { argument: "constrain.regex", value: source, cause });
  }
  const flag = [...flags].find((one) => !"sug".includes(one));
  if (flag !== undefined) unsupported(`the flag ${flag}`, source);
  return new Reader(source, flags.includes("s")).whole();
}

function unsupported(what: string, source: string): never {
  throw new KvasmError("unsupported", `constrain.regex: ${what} in ${shown(source)} cannot constrain a text. Write it with characters, classes, groups, | and repetitions.`, { argument: "constrain.regex", value: source });
}

class Reader {
  readonly #source: string;
  readonly #points: readonly string[];
  readonly #isDotAll: boolean;
  #at = 0;
  /** Groups around. */
  #depth = 0;

  constructor(source: string, isDotAll: boolean) {
    this.#source = source;
    this.#isDotAll = isDotAll;
    this.#points = [...source];
  }

  whole(): Pattern {
    return this.#branches();
  }

  #take(text: string): boolean {
    if (!this.#points.slice(this.#at, this.#at + text.length).join("").startsWith(text)) return false;
    this.#at += text.length;
    return true;
  }

  #branches(): Pattern {
    const branches: Pattern[] = [];
    do branches.push(this.#branch()); while (this.#take("|"));
    return branches.length === 1 ? branches[0]! : choice(...branches);
  }

  #branch(): Pattern {
    const items: Pattern[] = [];
    if (this.#depth === 0) this.#take("^");
    while (this.#at < this.#points.length && this.#points[this.#at] !== "|" && this.#points[this.#at] !== ")" && !this.#isEnd()) items.push(this.#repeated(this.#atom()));
    this.#take("$");
    return sequence(...items);
  }

  /** The anchor at the end of a branch outside of groups. */
  #isEnd(): boolean {
    const after = this.#points[this.#at + 1];
    return this.#depth === 0 && this.#points[this.#at] === "$" && (after === undefined || after === "|");
  }

  /** Lazy or greedy: the texts are the same. */
  #repeated(item: Pattern): Pattern {
    const bounds = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/.exec(this.#points.slice(this.#at, this.#at + 24).join(""));
    if (bounds === null) return item;
    this.#at += bounds[0].length;
    const [text, low, comma, high] = bounds;
    if (text[0] === "*") return repeat(item, 0, Infinity);
    if (text[0] === "+") return repeat(item, 1, Infinity);
    if (text[0] === "?") return repeat(item, 0, 1);
    return repeat(item, Number(low), comma === "" ? Number(low) : high === "" ? Infinity : Number(high));
  }

  #atom(): Pattern {
    const one = this.#points[this.#at++]!;
    if (one === "(") return this.#group();
    if (one === "[") return characters(this.#class());
    if (one === ".") return characters(this.#isDotAll ? complement([]) : complement(LINE_ENDS));
    if (one === "\\") return characters(this.#escape());
    if (one === "^" || one === "$") return unsupported(`the anchor ${one}`, this.#source);
    return characters([[one.codePointAt(0)!, one.codePointAt(0)!]]);
  }

  #group(): Pattern {
    if (this.#take("?") && !this.#take(":")) {
      const rest = this.#points.slice(this.#at).join("");
      const name = /^<[^=!>][^>]*>/.exec(rest);
      if (name === null) return unsupported("(?…", this.#source);
      this.#at += [...name[0]].length;
    }
    this.#depth++;
    const pattern = this.#branches();
    this.#depth--;
    this.#at++; // )
    return pattern;
  }

  #class(): Ranges {
    const isNegated = this.#take("^");
    const ranges: (readonly [number, number])[] = [];
    while (!this.#take("]")) {
      const first = this.#member();
      const isRange = first.length === 1 && first[0]![0] === first[0]![1] && this.#points[this.#at] === "-" && this.#points[this.#at + 1] !== "]";
      if (!isRange) {
        ranges.push(...first);
        continue;
      }
      this.#at++;
      ranges.push([first[0]![0], this.#member()[0]![0]]);
    }
    return isNegated ? complement(ranges) : ranges;
  }

  #member(): Ranges {
    const one = this.#points[this.#at++]!;
    if (one === "\\") return this.#take("b") ? [[8, 8]] : this.#escape();
    return [[one.codePointAt(0)!, one.codePointAt(0)!]];
  }

  #escape(): Ranges {
    const one = this.#points[this.#at++]!;
    if (Object.hasOwn(CLASSES, one)) return CLASSES[one]!;
    if (/[bBpPk1-9]/.test(one)) return unsupported(`\\${one}`, this.#source);
    const code = Object.hasOwn(CONTROLS, one) ? CONTROLS[one]! : one === "c" ? this.#points[this.#at++]!.codePointAt(0)! & 31 : one === "x" || one === "u" ? this.#hexadecimal(one) : one.codePointAt(0)!;
    return [[code, code]];
  }

  #hexadecimal(kind: "x" | "u"): number {
    const rest = this.#points.slice(this.#at, this.#at + 16).join("");
    const pair = kind === "u" ? /^(d[89ab][\da-f]{2})\\u(d[c-f][\da-f]{2})/i.exec(rest) : null;
    const found = pair ?? (kind === "x" ? /^([\da-f]{2})/i : /^\{0*([\da-f]+)\}|^([\da-f]{4})/i).exec(rest)!;
    this.#at += found[0].length;
    if (pair !== null) return String.fromCharCode(parseInt(pair[1]!, 16), parseInt(pair[2]!, 16)).codePointAt(0)!;
    return parseInt(found[1] ?? found[2]!, 16);
  }
}
