import { KvasmError, checkOptions, shown } from "../errors.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** What a text has to be; one of the keys. */
export interface Constrain {
  /** One of these texts. */
  choices?: readonly string[] | undefined;
  /** Matched from its beginning to its end, as JavaScript does with the flag u. Look-around, \b, \p, back references and the flags i, m and v are refused. */
  regex?: string | RegExp | undefined;
  /** JSON that satisfies the schema. docs/CONSTRAIN.md has the keywords that are known; others are refused. */
  jsonSchema?: object | undefined;
}

/**
 * What can be known at once; the rest is found before the first token.
 * @throws KvasmError `option`, `type`, `value`, `tokenizer`
 */
export function checkConstrain(constrain: unknown, tokenizer: Tokenizer | null): Constrain | null {
  if (constrain === undefined) return null;
  const given = checkOptions<Constrain>("constrain", constrain as Constrain, ["choices", "regex", "jsonSchema"]);
  const keys = Object.entries(given).filter(([, value]) => value !== undefined);
  if (keys.length !== 1) throw new KvasmError("value", `constrain: expected one of choices, regex and jsonSchema, got ${keys.length}.`, { argument: "constrain", value: constrain });
  const [key, value] = keys[0]!;
  const argument = `constrain.${key}`;
  const wrong = (wanted: string): never => {
    throw new KvasmError("type", `${argument}: expected ${wanted}, got ${shown(value)}.`, { argument, value });
  };
  if (tokenizer === null) throw new KvasmError("tokenizer", "constrain: this model has no tokenizer, so what its tokens stand for is not known. Use processors.", { argument: "constrain", value: constrain });
  if (key === "regex") return typeof value === "string" || Object.prototype.toString.call(value) === "[object RegExp]" ? given : wrong("a string or a RegExp");
  if (key === "jsonSchema") return typeof value === "object" && value !== null && !Array.isArray(value) ? given : wrong("a JSON schema, an object");
  if (!Array.isArray(value)) return wrong("a list of strings");
  if (value.length === 0) throw new KvasmError("value", "constrain.choices: expected at least one text.", { argument, value });
  value.forEach((one: unknown, i) => {
    const name = `${argument}[${i}]`;
    if (typeof one !== "string") throw new KvasmError("type", `${name}: expected a string, got ${shown(one)}.`, { argument: name, value: one });
    if (one === "" || /\p{Surrogate}/u.test(one)) throw new KvasmError("value", `${name}: expected a text of at least one whole character, got ${shown(one)}.`, { argument: name, value: one });
  });
  return { choices: [...value as string[]] };
}
