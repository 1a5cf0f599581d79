import { KvasmError, checkOptions, shown } from "../errors.ts";
import { openSharing } from "../cache/prefixes.ts";
import { Restoring } from "../cache/restore.ts";
import { save } from "../cache/save.ts";
import { checkArithmetic } from "../wasm/engine.ts";
import { HEAD_ROWS } from "../wasm/exports.ts";
import type { Arena } from "./arena.ts";
import { checkIds } from "./ids.ts";
import type { Ids } from "./ids.ts";
import { hasKnownAnswers } from "./known-answers.ts";
import type { Lifetime } from "./lifetime.ts";
import { MODE_LAST } from "../wasm/exports.ts";
import { Slot } from "./slot.ts";
import { Recorder } from "./trace.ts";
import type { Trace } from "./trace.ts";

/** The ways in which `verify` computes the same tokens. What each computes is compared with what one prefill computed before. */
export const VERIFY_WAYS = [
  "one prefill", "token by token", "uneven chunks", "after a fork", "after truncate and redo", "beside another sequence", "restored", "on a shared prefix", "in a batch with others", "guessed ahead",
] as const;

/** One more, of a model with several threads. */
const ON_ONE_THREAD = "on one thread";

export type VerifyWay = (typeof VERIFY_WAYS)[number] | typeof ON_ONE_THREAD;

export interface VerifyOptions {
  /** Which ways to compute. Default: all; "on one thread" only for a model with several. */
  ways?: readonly VerifyWay[] | undefined;
}

export interface Report {
  /** Every hidden state and every logit had the same bits in all ways, and the known answers were right. */
  identical: boolean;
  /**
   * A small model of the same types, computed by the same code, had the bits that docs/NUMERICS.md gives it. False: this engine
   * miscomputes, perhaps in every way alike.
   */
  knownAnswers: boolean;
  /** How many tokens were computed. */
  tokens: number;
  /** Over all ways: layer 0 is the embedding, layer n_layer is after the final norm; the last entry is the logits. */
  layers: { layer: number | "logits"; maxDifference: number }[];
  /** `identical` compares bits; +0 and −0 differ in bits and not in `maxDifference`. */
  ways: { name: string; identical: boolean; maxDifference: number; differingValues: number }[];
}

/** One way to compute the tokens `run.ids`. It must show every row to the run (`run.observe`), on a slot that the run opened. */
export type Way = (run: Run) => Slot;

/** Computes the ids in several ways and compares all hidden states and logits with those of one prefill, bit by bit. */
export function verify(model: Lifetime<Arena>, ids: Ids, options?: VerifyOptions): Report {
  const names = checkWays(checkOptions<VerifyOptions>("verify options", options, ["ways"]).ways, (model.value.team?.report.used ?? 1) > 1);
  const list = checkIds("ids", ids, model.value.config.vocab_size);
  if (list.length === 0) {
    throw new KvasmError("value", "ids: expected at least one token id, got none. There is nothing to verify.", { argument: "ids", value: ids });
  }
  checkArithmetic(model.value.exports.checkEngine());
  const knownAnswers = hasKnownAnswers(model.value);
  try {
    const report = compareWays(model, list, names.map((name) => [name, WAYS[name]]));
    return { ...report, identical: report.identical && knownAnswers, knownAnswers };
  } catch (error) {
    if (knownAnswers || !KvasmError.is(error) || error.code !== "non-finite") throw error;
    throw new KvasmError("engine", "verify: this engine computes other bits than docs/NUMERICS.md gives, and for these tokens no finite numbers. Run it without experimental flags, or use another engine.", { argument: "verify", cause: error });
  }
}

function checkWays(ways: unknown, hasThreads: boolean): readonly VerifyWay[] {
  if (ways === undefined) return hasThreads ? [...VERIFY_WAYS, ON_ONE_THREAD] : VERIFY_WAYS;
  if (!Array.isArray(ways) || ways.length === 0) {
    throw new KvasmError("type", `ways: expected a list of names, got ${shown(ways)}. Known ways: ${VERIFY_WAYS.join(", ")}.`, { argument: "ways", value: ways });
  }
  return Array.from(ways, (way: unknown, i) => {
    if (way === ON_ONE_THREAD && hasThreads) return way;
    if (way === ON_ONE_THREAD) {
      throw new KvasmError("value", `ways[${i}]: ${shown(way)} is how this model computes anyway. Leave it out, or load the model with threads.`, { argument: `ways[${i}]`, value: way });
    }
    if ((VERIFY_WAYS as readonly unknown[]).includes(way)) return way as VerifyWay;
    throw new KvasmError("value", `ways[${i}]: there is no way ${shown(way)}. Known ways: ${VERIFY_WAYS.join(", ")}.`, { argument: `ways[${i}]`, value: way });
  });
}

/** The report for any ways. Tests pass some that are wrong on purpose, and change what is `expected`. */
export function compareWays(
  model: Lifetime<Arena>, ids: Uint32Array, ways: readonly (readonly [name: string, way: Way])[], change: (expected: Trace) => void = () => {},
): Omit<Report, "knownAnswers"> {
  const arena = model.value;
  const room = new Slot(model);
  try {
    room.checkRoom(ids.length, "ids");
    // One page more: for the copy that a fork makes, or for the other sequence.
    arena.checkPages(Math.ceil(ids.length / arena.pageTokens) + 1, ids.length, "ids");
  } finally {
    room.close();
  }

  const reference = new Run(model, ids);
  const expected = reference.compute(wholePrefill);
  change(expected);
  const layers: Report["layers"] = expected.hiddenStates!.map((_, layer) => ({ layer, maxDifference: 0 }));
  layers.push({ layer: "logits", maxDifference: 0 });
  const report: Omit<Report, "knownAnswers"> = { identical: true, tokens: ids.length, layers, ways: [] };
  const run = new Run(model, ids);
  for (const [name, way] of ways) {
    const actual = run.compute(way);
    const result = { name, identical: true, maxDifference: 0, differingValues: 0 };
    layers.forEach((entry, i) => {
      const pairs: [Float32Array, Float32Array][] = entry.layer === "logits"
        ? [[actual.logits, expected.logits], [run.last, reference.last]]
        : [[actual.hiddenStates![i], expected.hiddenStates![i]]];
      for (const [a, b] of pairs) {
        const { count, max } = difference(a, b);
        result.differingValues += count;
        result.maxDifference = Math.max(result.maxDifference, max);
        entry.maxDifference = Math.max(entry.maxDifference, max);
      }
    });
    result.identical = result.differingValues === 0;
    report.identical &&= result.identical;
    report.ways.push(result);
  }
  return report;
}

/** Values whose bits differ, and the largest difference of values (infinite if one of the two is no number). */
function difference(a: Float32Array, b: Float32Array): { count: number; max: number } {
  const bitsA = new Uint32Array(a.buffer, a.byteOffset, a.length);
  const bitsB = new Uint32Array(b.buffer, b.byteOffset, b.length);
  let count = 0;
  let max = 0;
  for (let i = 0; i < bitsA.length; i++) {
    if (bitsA[i] === bitsB[i]) continue;
    count++;
    const distance = Math.abs(a[i] - b[i]);
    if (!(distance <= max)) max = Number.isNaN(distance) ? Infinity : distance;
  }
  return { count, max };
}

/** Nobody else shares pages with what is verified. */
const VERIFIED = Symbol("verify");

/** What a way has to work with. */
export class Run {
  readonly ids: Uint32Array;
  /** Tokens of the vocabulary that are not the ones at the same places. */
  readonly others: Uint32Array;
  readonly arena: Arena;
  /** Logits of the last token as `decode` and `sample` get them. */
  last: Float32Array = new Float32Array();
  readonly #model: Lifetime<Arena>;
  readonly #recorder: Recorder;
  readonly #slots: Slot[] = [];

  constructor(model: Lifetime<Arena>, ids: Uint32Array) {
    this.#model = model;
    this.arena = model.value;
    this.ids = ids;
    this.others = ids.map((id) => (id + 1) % this.arena.config.vocab_size);
    this.#recorder = new Recorder(this.arena, ids.length, { logits: true, hiddenStates: true, attentions: false });
  }

  /** A slot that is closed when the way is done. */
  open(slot = new Slot(this.#model)): Slot {
    this.#slots.push(slot);
    return slot;
  }

  /** A slot, closed when the way is done, that holds known pages of the first `length` ids, those of a slot that was closed. */
  sharing(length: number): Slot {
    const { prefixes } = this.arena;
    const prefix = prefixes.find(VERIFIED, this.ids, length);
    return this.open(prefix.length === 0 ? new Slot(this.#model) : new Slot(this.#model, openSharing(this.arena, this.ids, prefix)));
  }

  /** A slot whose pages are known when it is closed. */
  known(): Slot {
    return this.open(new Slot(this.#model, this.arena.open(), { salt: VERIFIED }));
  }

  /** A slot made of a saved one, closed when the way is done. */
  restore(bytes: Uint8Array): Slot {
    const restoring = new Restoring(this.#model, false);
    restoring.write(bytes);
    return this.open(restoring.end().slot);
  }

  /** Appends ids[from … to − 1] to a slot that holds those before, in steps of at most `chunk`. */
  observe(slot: Slot, from: number, to: number, chunk = this.arena.maxRows): void {
    for (; from < to; from += chunk) slot.observe(this.ids, from, Math.min(from + chunk, to), this.#recorder);
  }

  /** The same in one step, in which `other` appends `rows` other tokens before and has logits of its own. */
  observeBeside(slot: Slot, from: number, to: number, other: Slot, rows: number): void {
    slot.observe(this.ids, from, to, this.#recorder, [other.entry(this.others, 0, rows, MODE_LAST)]);
  }

  /** What was observed so far; written anew by the next way. */
  get recorded(): Trace {
    return this.#recorder.result;
  }

  compute(way: Way): Trace {
    const { logits, hiddenStates } = this.recorded;
    for (const array of [logits, ...hiddenStates!]) array.fill(NaN); // so that a row that a way leaves out shows
    try {
      this.last = way(this).logits();
    } finally {
      for (const slot of this.#slots.splice(0)) slot.close();
      this.arena.prefixes.forget(VERIFIED);
    }
    return this.recorded;
  }
}

const wholePrefill: Way = (run) => {
  const slot = run.open();
  run.observe(slot, 0, run.ids.length);
  return slot;
};

/** Sizes of chunks that end before, at and behind a page's end, even and odd, since the kernels take rows in pairs. */
const UNEVEN = [1, 7, 16, 17, 2, 33, 15];

const WAYS: Record<VerifyWay, Way> = {
  "one prefill": wholePrefill,

  "token by token": (run) => {
    const slot = run.open();
    run.observe(slot, 0, run.ids.length, 1);
    return slot;
  },

  "uneven chunks": (run) => {
    const slot = run.open();
    for (let from = 0, i = 0; from < run.ids.length; i++) {
      const to = Math.min(from + UNEVEN[i % UNEVEN.length], run.ids.length);
      run.observe(slot, from, to);
      from = to;
    }
    return slot;
  },

  // After the fork the first sequence goes on with other tokens. It writes them into the page that both hold, once before the fork writes
  // there and once after.
  "after a fork": (run) => {
    const half = run.ids.length >> 1;
    const first = run.open();
    run.observe(first, 0, half);
    const fork = run.open(first.fork());
    first.appendOne(run.others[half]);
    first.truncate(half);
    run.observe(fork, half, half + 1);
    first.appendOne(run.others[half]);
    run.observe(fork, half + 1, run.ids.length);
    return fork;
  },

  // The tokens are cut off and computed again in two steps, so that the second reads from the cache what the first wrote anew.
  "after truncate and redo": (run) => {
    const half = run.ids.length >> 1;
    const slot = run.open();
    run.observe(slot, 0, half);
    slot.appendAll(run.others.subarray(half), null);
    slot.truncate(half);
    run.observe(slot, half, half + 1);
    run.observe(slot, half + 1, run.ids.length);
    return slot;
  },

  "beside another sequence": (run) => {
    const slot = run.open();
    const other = run.open();
    for (let from = 0; from < run.ids.length; from += 5) {
      run.observe(slot, from, Math.min(from + 5, run.ids.length));
      if (other.length + 2 > Math.min(run.arena.pageTokens, run.ids.length)) other.truncate(0);
      other.appendAll(run.others.subarray(0, 2), null);
    }
    return slot;
  },

  "restored": (run) => {
    const half = run.ids.length >> 1;
    const first = run.open();
    run.observe(first, 0, half);
    const bytes = save(first, undefined);
    first.close();
    const restored = run.restore(bytes);
    run.observe(restored, half, run.ids.length);
    return restored;
  },

  "in a batch with others": (run) => {
    const slot = run.open();
    const other = run.open();
    const most = Math.min(run.arena.pageTokens, run.ids.length);
    for (let from = 0, i = 0; from < run.ids.length; i++) {
      const to = Math.min(from + UNEVEN[i % UNEVEN.length], run.ids.length);
      const rows = Math.min(1 + i % 3, most);
      if (other.length + rows > most) other.truncate(0);
      run.observeBeside(slot, from, to, other, rows);
      from = to;
    }
    return slot;
  },

  // Where half is no page's end, the last page that is shared has more tokens than this sequence may see, and is copied.
  "on a shared prefix": (run) => {
    const half = run.ids.length >> 1;
    const first = run.known();
    run.observe(first, 0, half);
    first.appendAll(run.others.subarray(half), null);
    first.close();
    const slot = run.sharing(half);
    run.observe(slot, slot.length, run.ids.length);
    return slot;
  },

  // Several tokens in one step, of which the first two are kept and the others were guessed wrongly; the two are observed in a fork.
  "guessed ahead": (run) => {
    const half = run.ids.length >> 1;
    const slot = run.open();
    run.observe(slot, 0, half);
    const right = Math.min(2, run.ids.length - half);
    const fork = run.open(slot.fork());
    run.observe(fork, half, half + right);
    fork.close();
    slot.appendGuessed([...run.ids.subarray(half, half + right), ...run.others.subarray(half + right, half + HEAD_ROWS)], (_, row) => ({
      id: run.ids[half + row + 1], logprob: undefined,
    }));
    run.observe(slot, slot.length, run.ids.length);
    return slot;
  },

  [ON_ONE_THREAD]: (run) => {
    const team = run.arena.team!;
    team.use(1);
    try {
      return wholePrefill(run);
    } finally {
      team.use(team.report.used);
    }
  },
};
