import { KvasmError, shown } from "../errors.ts";
import type { KvasmErrorCode } from "../errors.ts";
import { lookalike } from "./lookalike.ts";

export type JsonObject = Record<string, unknown>;

/**
 * The object that a JSON text holds, or an error that says what the text looks like instead. Unlike JSON.parse alone it refuses
 * duplicate keys: other parsers take the first or the last of them, and a file must mean the same to everybody.
 * @param file named in messages, and the error's `argument`
 */
export function parseJsonObject(text: string, file: string, code: KvasmErrorCode): JsonObject {
  const fail = (message: string, cause?: unknown): never => {
    throw new KvasmError(code, `${file}: ${message}`, { argument: file, value: text.slice(0, 60), cause });
  };
  const bare = text.startsWith("\ufeff") ? text.slice(1) : text;
  let value: unknown;
  try {
    value = JSON.parse(bare);
  } catch (cause) { // a SyntaxError, or a RangeError where the engine's parser recurses
    const reason = cause instanceof Error ? cause.message : String(cause);
    return fail(`not JSON${lookalike(bare)} (${reason}).`, cause);
  }
  if (!isObject(value)) return fail(`expected a JSON object, got ${shown(value)}.`);
  const duplicate = duplicateKey(bare);
  if (duplicate !== undefined) fail(`the key ${shown(duplicate)} occurs twice in one object. Remove one.`);
  return value;
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
