/** Reading parts of a tokenizer.json so that nothing in them is passed over: what is not known is a reason to have no tokenizer. */
import { shown } from "../../errors.ts";
import { isObject } from "../../files/json.ts";
import type { JsonObject } from "../../files/json.ts";

/** Well-formed, but of a kind whose ids kvasm cannot be sure of. `message`: what of it, for `model.notes`. */
export class Unsupported extends Error {}

export function unsupported(where: string, value: unknown): never {
  throw new Unsupported(`${where} is ${shown(value)}`);
}

/**
 * An object of the file whose every field is looked at: each has to be among `fields`, absent, or of a value that its test accepts.
 * `type` itself has been looked at by the caller.
 */
export function fieldsOf(where: string, value: unknown, fields: Record<string, (value: unknown) => boolean>): JsonObject {
  if (!isObject(value)) return unsupported(where, value);
  for (const [name, field] of Object.entries(value)) {
    if (name === "type") continue;
    if (!Object.hasOwn(fields, name)) unsupported(`${where}.${name}`, field);
    if (!fields[name](field)) unsupported(`${where}.${name}`, field);
  }
  return value;
}

export const isBoolean = (value: unknown): boolean => typeof value === "boolean";
export const isString = (value: unknown): boolean => typeof value === "string";
export const isAbsent = (value: unknown): boolean => value === null || value === undefined;
/** For what has no influence on ids or text: offsets. */
export const isAnything = (): boolean => true;
export const or = (...tests: ((value: unknown) => boolean)[]) => (value: unknown): boolean => tests.some((test) => test(value));
export const is = (...values: unknown[]) => (value: unknown): boolean => values.includes(value);
