import { KvasmError, shown } from "../errors.ts";
import type { KvasmErrorCode } from "../errors.ts";
import { lookalike } from "./lookalike.ts";

export type JsonObject = Record<string, unknown>;

/** What Python's json module writes and JSON does not have, and what stands for each meanwhile: in an array, which can be no key. */
const NUMBERS: readonly (readonly [text: string, value: number])[] = [["NaN", NaN], ["Infinity", Infinity], ["-Infinity", -Infinity]];
const STAND_IN = "\u0000kvasm ";
const STAND_INS: ReadonlyMap<unknown, number> = new Map(NUMBERS.map(([text, value]) => [STAND_IN + text, value]));
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|NaN|-?Infinity/gs;

/**
 * The object that a JSON text holds, or an error that says what the text looks like instead. Unlike JSON.parse alone it refuses
 * duplicate keys: other parsers take the first or the last of them, and a file must mean the same to everybody.
 * @param file named in messages, and the error's `argument`
 * @param by who writes such files: "python" may have NaN, Infinity and -Infinity among its numbers
 */
export function parseJsonObject(text: string, file: string, code: KvasmErrorCode, by?: "python"): JsonObject {
  const fail = (message: string, cause?: unknown): never => {
    throw new KvasmError(code, `${file}: ${message}`, { argument: file, value: text.slice(0, 60), cause });
  };
  const bare = text.startsWith("\ufeff") ? text.slice(1) : text;
  let value: unknown;
  let standard: string;
  try {
    standard = by === "python" ? bare.replace(STRING_OR_NUMBER, (found) => found.startsWith('"') ? found : JSON.stringify([STAND_IN + found])) : bare;
    value = standard === bare ? JSON.parse(bare) : JSON.parse(standard, (_key, one: unknown) => Array.isArray(one) && one.length === 1 ? STAND_INS.get(one[0]) ?? one : one);
  } catch (cause) { // a SyntaxError, or a RangeError where the engine's parser recurses
    const reason = cause instanceof Error ? cause.message : String(cause);
    return fail(`not JSON${lookalike(bare)} (${reason}).`, cause);
  }
  if (!isObject(value)) return fail(`expected a JSON object, got ${shown(value)}.`);
  const duplicate = duplicateKey(standard);
  if (duplicate !== undefined) fail(`the key ${shown(duplicate)} occurs twice in one object. Remove one.`);
  return value;
}

/** An object as Python's json module writes it, with a line for each value. */
export function pythonJson(value: JsonObject): string {
  const text = JSON.stringify(value, (_key, one: unknown) => typeof one === "number" && !Number.isFinite(one) ? STAND_IN + String(one) : one, 2);
  return NUMBERS.reduce((all, [name]) => all.replaceAll(JSON.stringify(STAND_IN + name), name), text);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The first key that occurs twice in one object of a text that JSON.parse has accepted. */
function duplicateKey(text: string): string | undefined {
  const open: (Set<string> | null)[] = []; // the keys seen in each object around the cursor; null for an array
  let keyNext = false;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x7b: open.push(new Set()); keyNext = true; break; // {
      case 0x5b: open.push(null); keyNext = false; break; // [
      case 0x7d: case 0x5d: open.pop(); keyNext = false; break; // } ]
      case 0x2c: keyNext = open[open.length - 1] !== null; break; // ,
      case 0x22: { // "
        const start = i++;
        while (text.charCodeAt(i) !== 0x22) i += text.charCodeAt(i) === 0x5c ? 2 : 1;
        if (!keyNext) break;
        keyNext = false;
        const raw = text.slice(start + 1, i);
        const key = raw.includes("\\") ? JSON.parse(`"${raw}"`) as string : raw;
        const keys = open[open.length - 1]!;
        if (keys.has(key)) return key;
        keys.add(key);
      }
    }
  }
  return undefined;
}
