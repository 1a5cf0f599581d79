import { KvasmError, checkOptions, shown } from "../errors.ts";
import type { Constrain } from "../generate/constrain-option.ts";

/** @throws KvasmError `option`, `type`, `value` */
export function checkConstrain(constrain: unknown): Constrain {
  const given = checkOptions<Constrain>("constrain", constrain as Constrain, ["choices", "regex", "jsonSchema"]);
  const keys = Object.entries(given).filter(([, value]) => value !== undefined);
  if (keys.length !== 1) throw new KvasmError("value", `constrain: expected one of choices, regex and jsonSchema, got ${keys.length}.`, { argument: "constrain", value: constrain });
  const [key, value] = keys[0]!;
  const argument = `constrain.${key}`;
  const wrong = (wanted: string): never => {
    throw new KvasmError("type", `${argument}: expected ${wanted}, got ${shown(value)}.`, { argument, value });
  };
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
