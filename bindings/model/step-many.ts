import { KvasmError, checkOptions, shown } from "../errors.ts";
import { MODE_ALL, MODE_LAST, MODE_NONE } from "../wasm/exports.ts";
import type { Arena, StepEntry } from "./arena.ts";
import { floats } from "./buffers.ts";
import { checkIds } from "./ids.ts";
import type { Ids } from "./ids.ts";
import type { Lifetime } from "./lifetime.ts";
import { isSequence, slotOf } from "./sequence.ts";
import type { Sequence } from "./sequence.ts";
import type { Slot } from "./slot.ts";

/** What one sequence appends in a step of several. */
export interface StepRequest {
  /** A sequence of this model. It may stand in a step once. */
  sequence: Sequence;
  /** At least one. */
  ids: Ids;
  /** Which logits to return. Default "last". */
  logits?: "none" | "last" | "all" | undefined;
}

const MODES = { none: MODE_NONE, last: MODE_LAST, all: MODE_ALL } as const;

interface Wanted {
  readonly slot: Slot;
  readonly index: number;
  readonly ids: Uint32Array;
  readonly mode: StepEntry["mode"];
  /** Of "all": f32[ids.length · vocab_size]. */
  readonly out: Float32Array | null;
  /** Before the step: tokens, and whether the last one's logits were known. */
  readonly before: number;
  readonly known: boolean;
}

/** As Model.step. */
export function stepMany(model: Lifetime<Arena>, entries: readonly StepRequest[]): (Float32Array | null)[] {
  const arena = model.value;
  const wanted = checkEntries(arena, entries);
  const done: Wanted[] = [];
  try {
    for (const parts of divided(wanted, arena.maxRows)) {
      arena.stepMany(parts, (part, memory, start, stride, rows, first) => {
        const { out, before } = wanted.find(({ index }) => index === part.slot)!;
        for (let row = 0; row < rows; row++) {
          const to = (first + row - before) * arena.config.vocab_size;
          out!.set(memory.f32.subarray(start + row * stride, start + row * stride + arena.config.vocab_size), to);
        }
      });
      for (const { slot } of parts) done.push(wanted.find(({ index }) => index === slot)!);
    }
  } catch (error) {
    for (const { slot, before, known } of new Set(done)) slot.rollBack(before, known);
    throw error;
  }
  return wanted.map(({ slot, mode, out }) => mode === MODE_ALL ? out : mode === MODE_LAST ? slot.logits() : null);
}

/** Everything about the entries that can be known before anything is computed. */
function checkEntries(arena: Arena, entries: unknown): Wanted[] {
  if (!Array.isArray(entries)) throw new KvasmError("type", `entries: expected a list of { sequence, ids, logits }, got ${shown(entries)}.`, { argument: "entries", value: entries });
  const taken = new Map<number, number>();
  return Array.from(entries, (entry: unknown, i): Wanted => {
    const name = `entries[${i}]`;
    if (typeof entry !== "object" || entry === null) throw new KvasmError("type", `${name}: expected { sequence, ids, logits }, got ${shown(entry)}.`, { argument: name, value: entry });
    const { sequence, ids, logits = "last" } = checkOptions<StepRequest>(name, entry as StepRequest, ["sequence", "ids", "logits"]);
    if (!isSequence(sequence)) throw new KvasmError("type", `${name}.sequence: expected a sequence of this model, got ${shown(sequence)}.`, { argument: `${name}.sequence`, value: sequence });
    const slot = slotOf(sequence);
    const { arena: own, index } = slot.place;
    if (own !== arena) throw new KvasmError("value", `${name}.sequence: is of another model. All sequences of a step are of one model.`, { argument: `${name}.sequence`, value: sequence });
    const other = taken.get(index);
    if (other !== undefined) throw new KvasmError("value", `${name}.sequence: is in entries[${other}] already. A step takes each sequence once: join its ids in one entry.`, { argument: `${name}.sequence`, value: sequence });
    taken.set(index, i);
    if (!Object.hasOwn(MODES, logits)) throw new KvasmError("value", `${name}.logits: expected "none", "last" or "all", got ${shown(logits)}.`, { argument: `${name}.logits`, value: logits });
    const list = checkIds(`${name}.ids`, ids, arena.config.vocab_size);
    if (list.length === 0) throw new KvasmError("value", `${name}.ids: expected at least one token id, got none. Leave the entry out.`, { argument: `${name}.ids`, value: ids });
    arena.checkContext(index, list.length, `${name}.ids`);
    const out = logits === "all" ? floats(list.length * arena.config.vocab_size, `${name}.logits`) : null;
    return { slot, index, ids: list, mode: MODES[logits], out, before: slot.length, known: arena.hasLogits(index) };
  });
}

/** The entries in steps of at most `most` rows, in their order; one that does not fit goes on in the next step. */
function* divided(wanted: readonly Wanted[], most: number): Generator<StepEntry[]> {
  let parts: StepEntry[] = [];
  let room = most;
  for (const { index: slot, ids, mode } of wanted) {
    for (let from = 0; from < ids.length;) {
      const to = Math.min(ids.length, from + room);
      parts.push({ slot, ids, from, to, mode: mode === MODE_LAST && to < ids.length ? MODE_NONE : mode });
      room -= to - from;
      from = to;
      if (room > 0) continue;
      yield parts;
      parts = [];
      room = most;
    }
  }
  if (parts.length > 0) yield parts;
}
