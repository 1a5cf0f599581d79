/**
 * JSON schemas as patterns. The texts are some of those that satisfy the schema: objects have the properties that are named, in their order, and
 * between two values stands at most one space.
 */
import { KvasmError, shown } from "../errors.ts";
import { characters, choice, complement, literal, optional, repeat, sequence } from "./pattern.ts";
import type { Pattern } from "./pattern.ts";

type Schema = Readonly<Record<string, unknown>>;

/** They describe, and do not change what is valid. */
const NOTES = ["$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"];
/** By type: keywords that say more about it. */
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  object: ["properties", "required", "additionalProperties"], array: ["items", "minItems", "maxItems"], string: ["minLength", "maxLength"], number: [], integer: [], boolean: [], null: [],
};
/** Schemas in schemas. */
const DEEPEST = 64;

const SPACE = optional(literal(" "));
const DIGIT = characters([[0x30, 0x39]]);
const INTEGER = sequence(optional(literal("-")), choice(literal("0"), sequence(characters([[0x31, 0x39]]), repeat(DIGIT, 0, 14))));
const NUMBER = sequence(INTEGER, optional(sequence(literal("."), repeat(DIGIT, 1, 15))), optional(sequence(characters([[0x45, 0x45], [0x65, 0x65]]), optional(characters([[0x2b, 0x2b], [0x2d, 0x2d]])), repeat(DIGIT, 1, 2))));
/** One character of a string: as it is, or escaped. */
const CHARACTER = choice(characters(complement([[0, 0x1f], [0x22, 0x22], [0x5c, 0x5c], [0xd800, 0xdfff]])), sequence(literal("\\"), characters([..."\"\\/bfnrt"].map((one) => [one.charCodeAt(0), one.charCodeAt(0)] as const))));

/** @throws KvasmError `type`, `value` (no schema, or nothing satisfies it), `unsupported` (keywords that are not known here) */
export function patternOfSchema(root: unknown): Pattern {
  return new Converter(root).pattern(root, "constrain.jsonSchema", 0);
}

class Converter {
  readonly #root: unknown;
  /** What each $ref stands for; null while it is looked at: then it is in itself, and has no end. */
  readonly #known = new Map<string, Pattern | null>();

  constructor(root: unknown) {
    this.#root = root;
  }

  pattern(schema: unknown, name: string, depth: number): Pattern {
    if (schema === false) throw new KvasmError("value", `${name}: false is satisfied by nothing. Leave it out.`, { argument: name, value: schema });
    if (schema === true) unsupported(name, "true (any value)");
    if (typeof schema !== "object" || schema === null || Array.isArray(schema)) throw new KvasmError("type", `${name}: expected a JSON schema, an object, got ${shown(schema)}.`, { argument: name, value: schema });
    if (depth > DEEPEST) unsupported(name, "a schema deeper than 64");
    const { $ref, const: constant, enum: values, anyOf, type, ...rest } = schema as Schema;
    const others = (known: readonly string[]): void => {
      for (const key of Object.keys(rest)) if (!NOTES.includes(key) && !known.includes(key)) unsupported(name, `the keyword ${JSON.stringify(key)} here`);
    };
    const single = Object.entries({ $ref, const: constant, enum: values, anyOf }).filter(([key]) => Object.hasOwn(schema, key));
    if (single.length === 0) {
      if (type === undefined) unsupported(name, "a schema without type, enum, const, anyOf or $ref");
      const types = [type].flat();
      for (const one of types) if (typeof one !== "string" || !Object.hasOwn(KEYWORDS, one)) throw new KvasmError("value", `${name}.type: expected ${Object.keys(KEYWORDS).join(", ")} or a list of them, got ${shown(one)}.`, { argument: `${name}.type`, value: one });
      if (types.length === 0) throw new KvasmError("value", `${name}.type: expected at least one type.`, { argument: `${name}.type`, value: type });
      others((types as string[]).flatMap((one) => KEYWORDS[one]!));
      return choice(...(types as string[]).map((one) => this.#typed(one, schema as Schema, name, depth)));
    }
    if (single.length > 1 || type !== undefined && (single[0]![0] === "$ref" || single[0]![0] === "anyOf")) unsupported(name, `${single.map(([key]) => key).concat(type === undefined ? [] : ["type"]).join(" beside ")}`);
    others([]);
    if ($ref !== undefined) return this.#referred($ref, name, depth);
    const list = Object.hasOwn(schema, "const") ? [constant] : single[0]![1];
    if (!Array.isArray(list) || list.length === 0) throw new KvasmError("value", `${name}.${single[0]![0]}: expected a list of at least one, got ${shown(list)}.`, { argument: `${name}.${single[0]![0]}`, value: list });
    if (anyOf !== undefined) return choice(...list.map((one, i) => this.pattern(one, `${name}.anyOf[${i}]`, depth + 1)));
    const fitting = list.filter((value) => type === undefined || [type].flat().some((one) => isOf(value, one)));
    if (fitting.length === 0) throw new KvasmError("value", `${name}: none of its values is of type ${shown(type)}.`, { argument: name, value: type });
    return choice(...fitting.map((value) => {
      const text = JSON.stringify(value) as string | undefined;
      if (text === undefined) throw new KvasmError("type", `${name}: expected values that JSON has, got ${shown(value)}.`, { argument: name, value });
      return literal(text);
    }));
  }

  #typed(type: string, schema: Schema, name: string, depth: number): Pattern {
    switch (type) {
      case "object": return this.#object(schema, name, depth);
      case "array": return this.#array(schema, name, depth);
      case "string": return sequence(literal("\""), repeat(CHARACTER, ...bounds(schema, "minLength", "maxLength", name)), literal("\""));
      case "number": return NUMBER;
      case "integer": return INTEGER;
      case "boolean": return choice(literal("true"), literal("false"));
      default: return literal("null");
    }
  }

  #array(schema: Schema, name: string, depth: number): Pattern {
    const [min, max] = bounds(schema, "minItems", "maxItems", name);
    if (max === 0) return literal("[]");
    if (schema.items === undefined) unsupported(name, "an array without items");
    const item = this.pattern(schema.items, `${name}.items`, depth + 1);
    const list = sequence(item, repeat(sequence(literal(","), SPACE, item), Math.max(0, min - 1), max - 1));
    return sequence(literal("["), min === 0 ? optional(list) : list, literal("]"));
  }

  #object({ properties = {}, required = [] }: Schema, name: string, depth: number): Pattern {
    if (typeof properties !== "object" || properties === null || Array.isArray(properties)) throw new KvasmError("type", `${name}.properties: expected an object, got ${shown(properties)}.`, { argument: `${name}.properties`, value: properties });
    if (!Array.isArray(required)) throw new KvasmError("type", `${name}.required: expected a list of names, got ${shown(required)}.`, { argument: `${name}.required`, value: required });
    for (const key of required) if (!Object.hasOwn(properties, key)) unsupported(name, `required ${shown(key)}, which is not among its properties,`);
    const parts = Object.entries(properties).map(([key, value]) => ({
      isRequired: required.includes(key), pattern: sequence(literal(JSON.stringify(key)), literal(":"), SPACE, this.pattern(value, `${name}.properties.${key}`, depth + 1)),
    }));
    // What follows a property, from the last one to the first; and what an object may begin with.
    let following: Pattern = sequence();
    let beginnings: Pattern[] = [sequence()];
    for (const { isRequired, pattern } of parts.reverse()) {
      const here = sequence(pattern, following);
      beginnings = isRequired ? [here] : [here, ...beginnings];
      const next = sequence(literal(","), SPACE, pattern);
      following = sequence(isRequired ? next : optional(next), following);
    }
    return sequence(literal("{"), choice(...beginnings), literal("}"));
  }

  #referred(ref: unknown, name: string, depth: number): Pattern {
    if (typeof ref !== "string" || !/^#(\/|$)/.test(ref)) unsupported(name, `$ref ${shown(ref)}, which is not of the form "#/…",`);
    const known = this.#known.get(ref);
    if (known === null) unsupported(name, `$ref ${shown(ref)}, which is in itself,`);
    if (known !== undefined) return known;
    let target: unknown = this.#root;
    for (const part of ref.split("/").slice(1)) {
      const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
      if (typeof target !== "object" || target === null || !Object.hasOwn(target, key)) throw new KvasmError("value", `${name}.$ref: ${shown(ref)} leads nowhere.`, { argument: `${name}.$ref`, value: ref });
      target = (target as Schema)[key];
    }
    this.#known.set(ref, null);
    const pattern = this.pattern(target, `${name}.$ref`, depth + 1);
    this.#known.set(ref, pattern);
    return pattern;
  }
}

function unsupported(name: string, what: string): never {
  throw new KvasmError("unsupported", `${name}: ${what} cannot constrain a text yet. Known are type, properties, required, items, minItems, maxItems, minLength, maxLength, enum, const, anyOf and $ref to a part of the schema.`, { argument: name });
}

function bounds(schema: Schema, low: string, high: string, name: string): [min: number, max: number] {
  const read = (key: string, otherwise: number): number => {
    const value = schema[key];
    if (value === undefined) return otherwise;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw new KvasmError("value", `${name}.${key}: expected an integer of at least 0, got ${shown(value)}.`, { argument: `${name}.${key}`, value });
  };
  const [min, max] = [read(low, 0), read(high, Infinity)];
  if (min > max) throw new KvasmError("value", `${name}: ${low} ${min} is more than ${high} ${max}.`, { argument: name, value: min });
  return [min, max];
}

function isOf(value: unknown, type: unknown): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === "null") return value === null;
  return type === "object" ? typeof value === "object" && value !== null && !Array.isArray(value) : typeof value === type;
}
