/** How a text is cut into words (tokenizers, pre_tokenizers/). */
import { isObject } from "../../weights/json.ts";
import type { JsonObject } from "../../weights/json.ts";
import { byteCharacters } from "../byte-alphabet.ts";
import { WHITE_SPACE, classBody, complement, rangesOf, union } from "../unicode/categories.ts";
import type { Ranges } from "../unicode/categories.ts";
import { GPT2_WORDS, pinnedPattern, wordCharacters } from "../unicode/pattern.ts";
import { BEHAVIORS, split } from "./pieces.ts";
import type { Behavior, Piece } from "./pieces.ts";
import { fieldsOf, is, isAbsent, isAnything, isBoolean, isString, or, unsupported } from "./strict.ts";

export type PreTokenizer = (pieces: readonly Piece[]) => readonly Piece[];

const global = (source: string): RegExp => new RegExp(source, "gu");
const one = (set: Ranges): RegExp => global(`[${classBody(set)}]`);

/** @throws Unsupported */
export function preTokenizerOf(json: unknown, where = "pre_tokenizer"): PreTokenizer {
  if (json === null || json === undefined) return (pieces) => pieces;
  const type = isObject(json) ? json.type : json;
  const make = typeof type === "string" && Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (make === undefined || !isObject(json)) return unsupported(where === "pre_tokenizer" ? `${where}.type` : where, type);
  return make(json, where);
}

const each = (cut: (piece: Piece) => readonly Piece[]): PreTokenizer => (pieces) => pieces.flatMap(cut);

const KINDS: Record<string, (json: JsonObject, where: string) => PreTokenizer> = {
  Sequence(json, where) {
    const { pretokenizers } = fieldsOf(where, json, { pretokenizers: Array.isArray });
    if (!Array.isArray(pretokenizers)) return unsupported(`${where}.pretokenizers`, pretokenizers);
    const all = pretokenizers.map((part, i) => preTokenizerOf(part, `${where}.pretokenizers[${i}]`));
    return (pieces) => all.reduce<readonly Piece[]>((result, cut) => cut(result), pieces);
  },
  ByteLevel(json, where) {
    const { add_prefix_space: prefix = true, use_regex: words = true } = fieldsOf(where, json, { add_prefix_space: isBoolean, trim_offsets: isAnything, use_regex: isBoolean });
    const pattern = global(GPT2_WORDS);
    return each((piece) => {
      const spaced = prefix && !piece.text.startsWith(" ") ? { ...piece, text: ` ${piece.text}` } : piece;
      return (words ? split(spaced, pattern, "Isolated") : [spaced]).map(({ text, isFirst }) => ({ text: spelled(text), isFirst }));
    });
  },
  Split(json, where) {
    const { pattern, behavior, invert = false } = fieldsOf(where, json, { pattern: isObject, behavior: is(...BEHAVIORS), invert: isBoolean });
    if (!BEHAVIORS.includes(behavior)) return unsupported(`${where}.behavior`, behavior);
    const source = patternOf(pattern, `${where}.pattern`);
    return each((piece) => split(piece, source, behavior as Behavior, invert === true));
  },
  Whitespace(json, where) {
    fieldsOf(where, json, {});
    const words = wordCharacters();
    const found = global(`[${classBody(words)}]+|[${classBody(complement(union(words, WHITE_SPACE)))}]+`);
    return each((piece) => split(piece, found, "Removed", true));
  },
  WhitespaceSplit(json, where) {
    fieldsOf(where, json, {});
    const space = one(WHITE_SPACE);
    return each((piece) => split(piece, space, "Removed"));
  },
  CharDelimiterSplit(json, where) {
    const { delimiter } = fieldsOf(where, json, { delimiter: (value) => typeof value === "string" && [...value].length === 1 });
    if (typeof delimiter !== "string") return unsupported(`${where}.delimiter`, delimiter);
    const found = literal(delimiter);
    return each((piece) => split(piece, found, "Removed"));
  },
  Punctuation(json, where) {
    const { behavior = "Isolated" } = fieldsOf(where, json, { behavior: is(...BEHAVIORS) });
    const marks = one(punctuation());
    return each((piece) => split(piece, marks, behavior as Behavior));
  },
  Digits(json, where) {
    const { individual_digits: apart = false } = fieldsOf(where, json, { individual_digits: isBoolean });
    const digits = one(union(rangesOf(["N"]), NEWER_NUMBERS));
    return each((piece) => split(piece, digits, apart ? "Isolated" : "Contiguous"));
  },
  BertPreTokenizer(json, where) {
    fieldsOf(where, json, {});
    const space = one(WHITE_SPACE);
    const marks = one(punctuation());
    return each((piece) => split(piece, space, "Removed").flatMap((word) => split(word, marks, "Isolated")));
  },
  Metaspace(json, where) {
    const fields = fieldsOf(where, json, {
      replacement: (value) => typeof value === "string" && [...value].length === 1, prepend_scheme: is("always", "never", "first"), split: isBoolean,
      add_prefix_space: isBoolean, str_rep: or(isAbsent, isString),
    });
    const { replacement = "\u2581", add_prefix_space: prefix, split: cuts = true } = fields;
    // Files of earlier versions say it so.
    if (prefix === false && fields.prepend_scheme !== undefined && fields.prepend_scheme !== "never") return unsupported(`${where}.add_prefix_space`, prefix);
    const scheme = prefix === false ? "never" : fields.prepend_scheme ?? "always";
    const mark = replacement as string;
    const words = literal(mark);
    return each((piece) => {
      let text = piece.text.replaceAll(" ", mark);
      if (!text.startsWith(mark) && (scheme === "always" || (scheme === "first" && piece.isFirst))) text = mark + text;
      return cuts ? split({ ...piece, text }, words, "MergedWithNext") : [{ ...piece, text }];
    });
  },
};

function patternOf(json: unknown, where: string): RegExp {
  if (isObject(json) && Object.keys(json).length === 1) {
    if (typeof json.String === "string" && json.String !== "") return literal(json.String);
    if (typeof json.Regex === "string") {
      const source = pinnedPattern(json.Regex);
      if (source !== null) return global(source);
      return unsupported(`${where}.Regex`, json.Regex);
    }
  }
  return unsupported(where, json);
}

function literal(text: string): RegExp {
  return global([...text].map((character) => `\\u{${character.codePointAt(0)!.toString(16)}}`).join(""));
}

let characters: readonly string[] | undefined;
const utf8 = new TextEncoder();

/** One printable character for each byte. */
function spelled(text: string): string {
  characters ??= byteCharacters();
  let result = "";
  for (const byte of utf8.encode(text)) result += characters[byte];
  return result;
}

/** Numbers of Unicode 17, which Digits has by Rust's standard library, unlike \p{N}. */
const NEWER_NUMBERS: Ranges = [[0x11de0, 0x11de9], [0x16ff4, 0x16ff6]];

/** Punctuation of ASCII, and of the Rust crate unicode_categories, which follows an older version of Unicode: it lacks some, and has two more. */
function punctuation(): Ranges {
  const present = union(rangesOf(["P"]), [[0x21, 0x2f], [0x3a, 0x40], [0x5b, 0x60], [0x7b, 0x7e], [0x166d, 0x166d], [0x111c9, 0x111c9]]);
  return complement(union(complement(present), LATER_PUNCTUATION));
}

const LATER_PUNCTUATION: Ranges = (
  "61d 9fd a76 c77 c84 1b4e-1b4f 1b7d-1b7f 2e43-2e4f 2e52-2e5d 10d6e 10ead 10f55-10f59 10f86-10f89 113d4-113d5 113d7-113d8 1144b-1144f " +
  "1145a-1145b 1145d 11660-1166c 116b9 1183b 11944-11946 119e2 11a3f-11a46 11a9a-11a9c 11a9e-11aa2 11b00-11b09 11be1 11c41-11c45 11c70-11c71 " +
  "11ef7-11ef8 11f43-11f4f 11fff 12ff1-12ff2 16d6d-16d6f 16e97-16e9a 16fe2 1e5ff 1e95e-1e95f"
).split(" ").map((range) => {
  const [first, last = first] = range.split("-").map((code) => Number.parseInt(code, 16));
  return [first, last];
});
