/** From what a caller asks for to a constraint. Loaded when one is asked for. */
import { KvasmError } from "../errors.ts";
import type { Constrain } from "../generate/constrain-option.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { Automaton } from "./automaton.ts";
import { Constraint } from "./constraint.ts";
import { patternOfSchema } from "./json-schema.ts";
import { choice, literal } from "./pattern.ts";
import type { Pattern } from "./pattern.ts";
import { patternOfRegex } from "./regex.ts";
import { tokenTable } from "./vocabulary.ts";

/**
 * Ready for the first token. `ends`: ids that end a text where it may end.
 * @throws KvasmError `value` (bad syntax; no text satisfies it, or only the empty one), `unsupported`, `type`, `memory` (too large), `tokenizer`
 */
export async function openConstraint(asked: Constrain, tokenizer: Tokenizer, vocabSize: number, ends: Iterable<number>): Promise<Constraint> {
  const start = new Automaton(patternOf(asked)).start();
  if (start === null) throw new KvasmError("value", "constrain: no text satisfies it. Allow at least one.", { argument: "constrain" });
  const constraint = new Constraint(await tokenTable(tokenizer), start, vocabSize, ends);
  constraint.mask();
  if (constraint.isComplete) throw new KvasmError("value", "constrain: only the empty text satisfies it. Allow another.", { argument: "constrain" });
  return constraint;
}

/** One of the keys is there. */
function patternOf({ choices, regex, jsonSchema }: Constrain): Pattern {
  if (choices !== undefined) return choice(...choices.map(literal));
  if (regex === undefined) return patternOfSchema(jsonSchema);
  return typeof regex === "string" ? patternOfRegex(regex, "") : patternOfRegex(regex.source, regex.flags);
}
