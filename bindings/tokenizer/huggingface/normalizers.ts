/** What becomes of a text before it is cut into words (tokenizers, normalizers/). */
import { isObject } from "../../weights/json.ts";
import { WHITE_SPACE, classBody } from "../unicode/categories.ts";
import { fieldsOf, isBoolean, isString, unsupported } from "./strict.ts";

export type Normalizer = (text: string) => string;

/**
 * Those whose result does not hang on the engine's Unicode version. The forms NFC to NFKD, and what strips accents, follow tables of a version
 * of their own in the reference, which no JavaScript engine has.
 * @throws Unsupported
 */
export function normalizerOf(json: unknown, where = "normalizer"): Normalizer | null {
  if (json === null || json === undefined) return null;
  const type = isObject(json) ? json.type : json;
  switch (type) {
    case "Sequence": {
      const { normalizers } = fieldsOf(where, json, { normalizers: Array.isArray });
      if (!Array.isArray(normalizers)) return unsupported(`${where}.normalizers`, normalizers);
      const all = normalizers.map((one, i) => normalizerOf(one, `${where}.normalizers[${i}]`));
      return (text) => all.reduce((result, one) => one === null ? result : one(result), text);
    }
    case "Lowercase":
      fieldsOf(where, json, {});
      return lowercase;
    case "Strip": {
      const { strip_left: left, strip_right: right } = fieldsOf(where, json, { strip_left: isBoolean, strip_right: isBoolean });
      if (typeof left !== "boolean" || typeof right !== "boolean") return unsupported(where, json);
      return (text) => (right ? (t: string) => t.replace(SPACE_AT_END, "") : (t: string) => t)(left ? text.replace(SPACE_AT_START, "") : text);
    }
    case "Prepend": {
      const { prepend } = fieldsOf(where, json, { prepend: isString });
      if (typeof prepend !== "string") return unsupported(where, json);
      return (text) => text === "" ? "" : prepend + text;
    }
    case "Replace": {
      const { pattern, content } = fieldsOf(where, json, { pattern: (value) => isObject(value) && typeof value.String === "string" && value.String !== "", content: isString });
      if (!isObject(pattern) || typeof content !== "string") return unsupported(where, json);
      return (text) => text.split(pattern.String as string).join(content);
    }
    default:
      return unsupported(where === "normalizer" ? `${where}.type` : where, type);
  }
}

const SPACE_AT_START = new RegExp(`^[${classBody(WHITE_SPACE)}]+`, "u");
const SPACE_AT_END = new RegExp(`[${classBody(WHITE_SPACE)}]+$`, "u");

/** Letters that have a lower case since Unicode 15, up to 17, which the reference has: older engines do not know them. [first, last, distance] */
const NEWER: readonly (readonly [number, number, number])[] = [
  [0x1c89, 0x1c89, 1], [0xa7cb, 0xa7cb, 0x264 - 0xa7cb], [0xa7cc, 0xa7cc, 1], [0xa7ce, 0xa7ce, 1], [0xa7d2, 0xa7d2, 1], [0xa7d4, 0xa7d4, 1],
  [0xa7da, 0xa7da, 1], [0xa7dc, 0xa7dc, 0x19b - 0xa7dc], [0x10d50, 0x10d65, 0x20], [0x16ea0, 0x16eb8, 0x1b],
];

/** Each character by itself: no final sigma. */
function lowercase(text: string): string {
  let result = "";
  for (const character of text) {
    const code = character.codePointAt(0)!;
    const newer = code < 0x1c89 ? undefined : NEWER.find(([first, last]) => code >= first && code <= last);
    result += newer === undefined ? character.toLowerCase() : String.fromCodePoint(code + newer[2]);
  }
  return result;
}
