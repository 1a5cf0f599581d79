/** `pattern` of a part of a tokenizer.json: a text that is looked for as it is, or a regular expression in Oniguruma's syntax. */
import { isObject } from "../../files/json.ts";
import { pinnedPattern } from "../unicode/pattern.ts";
import { unsupported } from "./strict.ts";

const global = (source: string): RegExp => new RegExp(source, "gu");

/** @throws Unsupported */
export function patternOf(json: unknown, where: string): RegExp {
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

export function literal(text: string): RegExp {
  return global([...text].map((character) => `\\u{${character.codePointAt(0)!.toString(16)}}`).join(""));
}
