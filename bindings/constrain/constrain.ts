/** From what a caller asks for to a constraint. Loaded when one is asked for. */
import { KvasmError } from "../errors.ts";
import type { Constrain } from "../generate/constrain-option.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { Automaton } from "./automaton.ts";
import { checkConstrain } from "./check.ts";
import { Constraint } from "./constraint.ts";
import { patternOfSchema } from "./json-schema.ts";
import { choice, literal } from "./pattern.ts";
import type { Pattern } from "./pattern.ts";
import { patternOfRegex } from "./regex.ts";
import { tokenTable } from "./vocabulary.ts";

/**
 * Ready for the first token. `ends`: ids that end a text where it may end.
 * @throws KvasmError `value` (bad syntax; no text satisfies it, or only the empty one), `unsupported`, `type`, `option`, `memory` (too large), `tokenizer`
 */
export async function openConstraint(asked: unknown, tokenizer: Tokenizer | null, vocabSize: number, ends: Iterable<number>): Promise<Constraint> {
  const pattern = patternOf(checkConstrain(asked));
  if (tokenizer === null) throw new KvasmError("tokenizer", "constrain: this model has no tokenizer, so what its tokens stand for is not known. Use processors.", { argument: "constrain", value: asked });
  const start = new Automaton(pattern).start();
  if (start === null) throw new KvasmError("value", "constrain: no text satisfies it. Allow at least one.", { argument: "constrain" });
  const constraint = new Constraint(await tokenTable(tokenizer), start, vocabSize, ends);
  constraint.check();
  if (constraint.isComplete) throw new KvasmError("value", "constrain: only the empty text satisfies it. Allow another.", { argument: "constrain" });
  return constraint;
}

/** One of the keys is there. */
function patternOf({ choices, regex, jsonSchema }: Constrain): Pattern {
  if (choices !== undefined) return choice(...choices.map(literal));
  if (regex === undefined) return patternOfSchema(jsonSchema);
  return typeof regex === "string" ? patternOfRegex(regex, "") : patternOfRegex(regex.source, regex.flags);
}
