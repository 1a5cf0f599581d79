/** What becomes of a text before it is cut into words (tokenizers, normalizers/). */
import { isObject } from "../../files/json.ts";
import type { JsonObject } from "../../files/json.ts";
import { byteLevelText } from "../byte-alphabet.ts";
import { CHINESE, COMBINING, CONTROL, lowercase, NONSPACING, normalizeForm, SPACES_AT_END, SPACES_AT_START, WHITE_SPACE } from "./characters.ts";
import { patternOf } from "./patterns.ts";
import { fieldsOf, isAbsent, isAnything, isBoolean, isString, or, unsupported } from "./strict.ts";

export type Normalizer = (text: string) => string;

/** @throws Unsupported */
export function normalizerOf(json: unknown, where = "normalizer"): Normalizer | null {
  if (json === null || json === undefined) return null;
  const type = isObject(json) ? json.type : json;
  if (typeof type !== "string" || !Object.hasOwn(KINDS, type) || !isObject(json)) return unsupported(where === "normalizer" ? `${where}.type` : where, type);
  return KINDS[type](json, where);
}

const form = (name: "NFC" | "NFD" | "NFKC" | "NFKD") => (json: JsonObject, where: string): Normalizer => {
  fieldsOf(where, json, {});
  return (text) => normalizeForm(text, name);
};

/** Not Precompiled: a table of its own in each file, made by SentencePiece. */
const KINDS: Record<string, (json: JsonObject, where: string) => Normalizer> = {
  Sequence(json, where) {
    const { normalizers } = fieldsOf(where, json, { normalizers: Array.isArray });
    if (!Array.isArray(normalizers)) return unsupported(`${where}.normalizers`, normalizers);
    const all = normalizers.map((one, i) => normalizerOf(one, `${where}.normalizers[${i}]`));
    return (text) => all.reduce((result, one) => one === null ? result : one(result), text);
  },
  NFC: form("NFC"), NFD: form("NFD"), NFKC: form("NFKC"), NFKD: form("NFKD"),
  Lowercase(json, where) {
    fieldsOf(where, json, {});
    return lowercase;
  },
  StripAccents(json, where) {
    fieldsOf(where, json, {});
    return (text) => text.replace(COMBINING, "");
  },
  Strip(json, where) {
    const { strip_left: left, strip_right: right } = fieldsOf(where, json, { strip_left: isBoolean, strip_right: isBoolean });
    if (typeof left !== "boolean" || typeof right !== "boolean") return unsupported(where, json);
    return (text) => {
      const rest = left ? text.replace(SPACES_AT_START, "") : text;
      return right ? rest.replace(SPACES_AT_END, "") : rest;
    };
  },
  Prepend(json, where) {
    const { prepend } = fieldsOf(where, json, { prepend: isString });
    if (typeof prepend !== "string") return unsupported(where, json);
    return (text) => text === "" ? "" : prepend + text;
  },
  Replace(json, where) {
    const { pattern, content } = fieldsOf(where, json, { pattern: isAnything, content: isString });
    if (typeof content !== "string") return unsupported(where, json);
    const found = patternOf(pattern, `${where}.pattern`);
    return (text) => text.replace(found, () => content);
  },
  ByteLevel(json, where) {
    fieldsOf(where, json, {});
    return byteLevelText;
  },
  Nmt(json, where) {
    fieldsOf(where, json, {});
    return nmt;
  },
  BertNormalizer(json, where) {
    const { clean_text: clean, handle_chinese_chars: chinese, strip_accents, lowercase: lower } = fieldsOf(where, json, { clean_text: isBoolean, handle_chinese_chars: isBoolean, strip_accents: or(isAbsent, isBoolean), lowercase: isBoolean });
    if (![clean, chinese, lower].every(isBoolean)) return unsupported(where, json);
    const accents = strip_accents ?? lower;
    return (text) => {
      if (clean === true) text = text.replace(CONTROL, "").replace(WHITE_SPACE, " ");
      if (chinese === true) text = text.replace(CHINESE, " $& ");
      if (accents === true) text = normalizeForm(text, "NFD").replace(NONSPACING, "");
      return lower === true ? lowercase(text) : text;
    };
  },
};

/** SentencePiece's nmt rules, as tokenizers has them. */
function nmt(text: string): string {
  return text.replace(/[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]/g, "")
    .replace(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, " ");
}
