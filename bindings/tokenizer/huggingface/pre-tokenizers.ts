/** How a text is cut into words (tokenizers, pre_tokenizers/). */
import { isObject } from "../../files/json.ts";
import type { JsonObject } from "../../files/json.ts";
import { byteLevelText } from "../byte-alphabet.ts";
import { GPT2_WORDS } from "../unicode/pattern.ts";
import { NUMERIC, PUNCTUATION, WHITE_SPACE, WORDS_AND_SIGNS } from "./characters.ts";
import { literal, patternOf } from "./patterns.ts";
import { BEHAVIORS, split } from "./pieces.ts";
import type { Behavior, Piece } from "./pieces.ts";
import { fieldsOf, is, isAbsent, isAnything, isBoolean, isString, or, unsupported } from "./strict.ts";

export type PreTokenizer = (pieces: readonly Piece[]) => readonly Piece[];

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
    const pattern = new RegExp(GPT2_WORDS, "gu");
    return each((piece) => {
      const spaced = prefix && !piece.text.startsWith(" ") ? { ...piece, text: ` ${piece.text}` } : piece;
      return (words ? split(spaced, pattern, "Isolated") : [spaced]).map(({ text, isFirst }) => ({ text: byteLevelText(text), isFirst }));
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
    return each((piece) => split(piece, WORDS_AND_SIGNS, "Removed", true));
  },
  WhitespaceSplit(json, where) {
    fieldsOf(where, json, {});
    return each((piece) => split(piece, WHITE_SPACE, "Removed"));
  },
  CharDelimiterSplit(json, where) {
    const { delimiter } = fieldsOf(where, json, { delimiter: (value) => typeof value === "string" && [...value].length === 1 });
    if (typeof delimiter !== "string") return unsupported(`${where}.delimiter`, delimiter);
    const found = literal(delimiter);
    return each((piece) => split(piece, found, "Removed"));
  },
  Punctuation(json, where) {
    const { behavior = "Isolated" } = fieldsOf(where, json, { behavior: is(...BEHAVIORS) });
    return each((piece) => split(piece, PUNCTUATION, behavior as Behavior));
  },
  Digits(json, where) {
    const { individual_digits: apart = false } = fieldsOf(where, json, { individual_digits: isBoolean });
    return each((piece) => split(piece, NUMERIC, apart ? "Isolated" : "Contiguous"));
  },
  BertPreTokenizer(json, where) {
    fieldsOf(where, json, {});
    return each((piece) => split(piece, WHITE_SPACE, "Removed").flatMap((word) => split(word, PUNCTUATION, "Isolated")));
  },
  FixedLength(json, where) {
    const { length = 5 } = fieldsOf(where, json, { length: Number.isInteger });
    if (typeof length !== "number" || length < 1) return unsupported(`${where}.length`, length);
    return each(({ text, isFirst }) => {
      const characters = [...text];
      return Array.from({ length: Math.ceil(characters.length / length) }, (_, i) => ({ text: characters.slice(i * length, (i + 1) * length).join(""), isFirst: isFirst && i === 0 }));
    });
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
