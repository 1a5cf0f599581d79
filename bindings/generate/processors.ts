/** Functions of the caller that change a row of logits before the sampler draws from it. */
import { KvasmError, shown } from "../errors.ts";

/**
 * `ids`: the sequence's tokens, prompt and generated ones, a copy. `logits`: f32[vocab_size] of the token that follows, valid in the call only; what is
 * written there is what the sampler works on, before logit bias and penalties. −Infinity forbids a token. It must return before the row is used, so it
 * cannot be async, and must not use the model that generates.
 */
export type LogitProcessor = (ids: Uint32Array, logits: Float32Array) => void;

/**
 * What calls them. Loaded when there are any.
 * @throws KvasmError `type`
 */
export function processingOf(processors: unknown): (ids: Uint32Array, row: Float32Array) => void {
  const checked = checkProcessors(processors);
  return (ids, row) => processRow(checked, ids, row);
}

function checkProcessors(processors: unknown): readonly LogitProcessor[] {
  const wanted = "(ids, logits) => void";
  if (!Array.isArray(processors)) return fail("type", "processors", `expected a list of ${wanted}, got ${shown(processors)}.`, processors);
  return Array.from(processors, (one: unknown, i) => (typeof one === "function" ? one as LogitProcessor : fail("type", `processors[${i}]`, `expected ${wanted}, got ${shown(one)}.`, one)));
}

function fail(code: "type" | "value", argument: string, message: string, value: unknown): never {
  throw new KvasmError(code, `${argument}: ${message}`, { argument, value });
}

/**
 * Calls them one after the other on `row`, f32[vocab_size], and looks at what each has left there.
 * @throws KvasmError `value` (NaN, +Infinity, no token left, a row that was taken away), `type` (a row or a promise is returned); what a processor throws
 */
function processRow(processors: readonly LogitProcessor[], ids: Uint32Array, row: Float32Array): void {
  const { length } = row;
  processors.forEach((processor, i) => {
    const name = `processors[${i}]`;
    const result: unknown = processor(ids, row);
    // `(ids, logits) => logits[7] = 0` returns a number, and means nothing by it; an object is a row or a promise that would be lost.
    if (typeof result === "object" && result !== null && result !== row) {
      Promise.resolve(result).catch(() => {}); // of a promise: nobody waits for it
      fail("type", name, `it must return nothing, got ${shown(result)}. Change the logits in place, before it returns.`, result);
    }
    if (row.length !== length) fail("value", name, `expected ${length} logits (vocab_size) afterwards, got ${row.length}. Leave their buffer alone.`, row.length);
    const wrong = row.findIndex((logit) => !(logit < Infinity));
    if (wrong >= 0) fail("value", name, `expected numbers or -Infinity as logits, got ${row[wrong]} for token ${wrong}. Forbid the others instead.`, row[wrong]);
    if (row.every((logit) => logit === -Infinity)) fail("value", name, "all logits are -Infinity. Leave a token.", -Infinity);
  });
}
