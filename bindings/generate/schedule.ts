/**
 * Steps that generations share. Whoever wants tokens appended asks for it and waits; at the next turn of the event loop all that are asked
 * for are appended in one step. So generations that run at the same time read the weights once, and a reader that does not ask for its next
 * token takes no part and holds nobody up.
 *
 * A step takes single tokens first, HEAD_ROWS of them at most, in the order in which they were asked for; then prompts, also in their order,
 * as many tokens as chunks.ts finds to take some 35 ms. What had no place comes before what is asked for later, and a prompt that was not
 * finished goes behind the others. So of n that wait for one token each, one waits for ⌈n / HEAD_ROWS⌉ steps at most, and of m prompts one
 * gets a part of every m-th step at least.
 */
import { KvasmError } from "../errors.ts";
import { HEAD_ROWS, MODE_LAST, MODE_NONE } from "../wasm/exports.ts";
import type { Arena } from "../model/arena.ts";
import { MOST_TOKENS, firstSize, nextSize } from "../model/chunks.ts";
import { pause } from "../model/pause.ts";
import type { Slot } from "../model/slot.ts";

interface Job {
  readonly slot: Slot;
  readonly ids: ArrayLike<number>;
  /** Names the tokens in errors. */
  readonly argument: string;
  /** Throws if there is a reason not to go on. */
  readonly check: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** ids[at …] are still to be appended. */
  at: number;
}

/** What a job appends in a step. */
interface Part {
  readonly job: Job;
  readonly rows: number;
}

class Schedule {
  #jobs: Job[] = [];
  #isRunning = false;
  /** Of the step under way: jobs that found too few pages. */
  readonly #short: { readonly job: Job; readonly error: KvasmError }[] = [];

  append(job: Job): void {
    this.#jobs.push(job);
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#jobs.length > 0) {
      await pause();
      this.#step();
    }
    this.#isRunning = false;
  }

  /** Throws nothing: what fails rejects the job that it is of. */
  #step(): void {
    const jobs = this.#jobs.filter(({ check, reject }) => {
      try {
        check();
        return true;
      } catch (error) {
        reject(error);
        return false;
      }
    });
    const parts = this.#choose(jobs);
    const chosen = new Set(parts.map(({ job }) => job));
    this.#jobs = jobs.filter((job) => !chosen.has(job));
    if (parts.length > 0) this.#append(parts);
  }

  #choose(jobs: readonly Job[]): Part[] {
    const parts: Part[] = jobs.filter(({ ids, at }) => ids.length - at === 1).slice(0, HEAD_ROWS).map((job) => ({ job, rows: 1 }));
    const prompts = jobs.filter(({ ids, at }) => ids.length - at > 1);
    if (prompts.length === 0) return parts;
    const { arena } = prompts[0].slot;
    arena.chunkTokens ||= firstSize(arena);
    let room = Math.max(1, arena.chunkTokens - parts.length);
    for (const job of prompts) {
      if (room === 0 || parts.length === HEAD_ROWS) break;
      const rows = Math.min(room, job.ids.length - job.at);
      parts.push({ job, rows });
      room -= rows;
    }
    return parts;
  }

  #append(parts: readonly Part[]): void {
    const fitting = parts.filter(({ job, rows }) => this.#attempt(job, () => job.slot.checkRoom(rows, job.argument)));
    if (fitting.length > 0) this.#appendFitting(fitting);
    this.#settleShort();
  }

  /**
   * Where pages are short for several, one gets the error, the one that asked last; its pages come back before the others try again at the
   * next turn.
   */
  #settleShort(): void {
    const last = this.#short.pop();
    if (last === undefined) return;
    last.job.reject(last.error);
    this.#jobs.unshift(...this.#short.splice(0).map(({ job }) => job));
  }

  #appendFitting(fitting: readonly Part[]): void {
    const { arena } = fitting[0].job.slot;
    const rows = fitting.reduce((sum, part) => sum + part.rows, 0);
    const began = performance.now();
    if (fitting.length === 1 || !stepped(arena, fitting)) for (const part of fitting) this.#appendAlone(part);
    else for (const part of fitting) this.#appended(part);
    if (fitting.some((part) => part.rows > 1)) {
      arena.chunkTokens = nextSize(arena.chunkTokens, rows, performance.now() - began, Math.min(MOST_TOKENS, arena.maxRows));
    }
  }

  /** One that fails alone leaves the others as they are, and its error is its own. */
  #appendAlone(part: Part): void {
    const { job: { slot, ids, at }, rows } = part;
    if (this.#attempt(part.job, () => slot.appendChunk(ids, at, at + rows, modeOf(part)))) this.#appended(part);
  }

  #appended({ job, rows }: Part): void {
    job.at += rows;
    if (job.at === job.ids.length) job.resolve();
    else this.#jobs.push(job);
  }

  #attempt(job: Job, run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      if (KvasmError.is(error) && error.code === "pages") this.#short.push({ job, error });
      else job.reject(error);
      return false;
    }
  }
}

function modeOf({ job: { ids, at }, rows }: Part): typeof MODE_LAST | typeof MODE_NONE {
  return at + rows === ids.length ? MODE_LAST : MODE_NONE;
}

/** All of them in one step; false: it failed for one, and nothing has changed. */
function stepped(arena: Arena, parts: readonly Part[]): boolean {
  try {
    arena.stepMany(parts.map((part) => part.job.slot.entry(part.job.ids, part.job.at, part.job.at + part.rows, modeOf(part))));
    return true;
  } catch {
    return false;
  }
}

const schedules = new WeakMap<Arena, Schedule>();

/**
 * Appends tokens at the next turns of the event loop, in steps with what others append; the last one's logits are known then. `check` is
 * called before each of its steps.
 * @throws KvasmError as a step of the sequence alone; what `check` throws
 */
export function appendShared(slot: Slot, ids: ArrayLike<number>, argument: string, check: () => void): Promise<void> {
  const { arena } = slot;
  let schedule = schedules.get(arena);
  if (schedule === undefined) schedules.set(arena, schedule = new Schedule());
  if (ids.length === 0) return Promise.resolve();
  return new Promise((resolve, reject) => schedule.append({ slot, ids, argument, check, resolve, reject, at: 0 }));
}
