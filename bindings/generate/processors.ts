/** Functions of the caller that change a row of logits before the sampler draws from it. */
import { KvasmError, shown } from "../errors.ts";

/**
 * `ids`: the sequence's tokens, prompt and generated ones, a copy. `logits`: f32[vocab_size] of the token that follows, valid in the call only; what is
 * written there is what the sampler works on, before logit bias and penalties. −Infinity forbids a token. It must return before the row is used, so it
 * cannot be async, and must not use the model that generates.
 */
export type LogitProcessor = (ids: Uint32Array, logits: Float32Array) => void;

/** What a forbidden token's logit becomes, since the sampler takes finite ones: so far below all others that its weight is +0. */
export const LOWEST = -(2 - 2 ** -23) * 2 ** 127;

/** @throws KvasmError `type` */
export function checkProcessors(processors: unknown): readonly LogitProcessor[] {
  if (processors === undefined) return [];
  if (!Array.isArray(processors)) {
    throw new KvasmError("type", `processors: expected a list of functions (ids, logits) => void, got ${shown(processors)}.`, { argument: "processors", value: processors });
  }
  return Array.from(processors, (one: unknown, i) => {
    if (typeof one === "function") return one as LogitProcessor;
    throw new KvasmError("type", `processors[${i}]: expected a function (ids, logits) => void, got ${shown(one)}.`, { argument: `processors[${i}]`, value: one });
  });
}

/**
 * Calls them one after the other on `row`, f32[vocab_size], and looks at what each has left there.
 * @throws KvasmError `value` (NaN, +Infinity, no token left, a row that was taken away), `type` (a row or a promise is returned); what a processor throws
 */
export function processRow(processors: readonly LogitProcessor[], ids: Uint32Array, row: Float32Array): void {
  const { length } = row;
  processors.forEach((processor, i) => {
    const name = `processors[${i}]`;
    const result: unknown = processor(ids, row);
    // `(ids, logits) => logits[7] = 0` returns a number, and means nothing by it; an object is a row or a promise that would be lost.
    if (typeof result === "object" && result !== null && result !== row) {
      if (typeof (result as Promise<unknown>).then === "function") Promise.resolve(result).catch(() => {}); // nobody waits for it
      throw new KvasmError("type", `${name}: expected that it returns nothing, got ${shown(result)}. Change the logits where they are, and not asynchronously.`, { argument: name, value: result });
    }
    checkRow(name, row, length);
  });
}

function checkRow(name: string, row: Float32Array, length: number): void {
  if (row.length !== length) {
    throw new KvasmError("value", `${name}: expected that it leaves ${length} logits (vocab_size), got ${row.length}. Do not transfer or resize their buffer.`, { argument: name, value: row.length });
  }
  let isEmpty = true;
  for (let id = 0; id < length; id++) {
    const logit = row[id]!;
    if (!(logit < Infinity)) {
      throw new KvasmError("value", `${name}: expected numbers or -Infinity as logits, got ${logit} for token ${id}. For a token that must come, set all others to -Infinity.`, { argument: name, value: logit });
    }
    if (logit > -Infinity) isEmpty = false;
  }
  if (isEmpty) throw new KvasmError("value", `${name}: all logits are -Infinity. Leave at least one token.`, { argument: name, value: -Infinity });
}

/** Writes a processed row where the sampler reads it. */
export function writeFinite(row: Float32Array, memory: Float32Array, start: number): void {
  for (let id = 0; id < row.length; id++) memory[start + id] = Math.max(LOWEST, row[id]!);
}
