import { KvasmError } from "../errors.ts";
import { MODE_LAST, MODE_NONE } from "../wasm/exports.ts";
import type { Arena, StepMode, StepObserver } from "./arena.ts";
import { Lifetime, whenCollected } from "./lifetime.ts";
import type { Sampler } from "./sampler-options.ts";

/**
 * One sequence in the arena, held until `close` or until it is collected. Arguments have been checked. The public Sequence and
 * generators are made of it.
 */
export class Slot {
  readonly #model: Lifetime<Arena>;
  readonly #life: Lifetime<{ index: number }>;
  readonly #forget: () => void;
  /** The logits of the last token can be had: it was appended with them, and nothing was truncated since. */
  #known: boolean;

  constructor(model: Lifetime<Arena>, index = model.value.open(), known = false) {
    this.#model = model;
    this.#life = new Lifetime("sequence", { index });
    this.#known = known;
    this.#forget = whenCollected(this, () => {
      if (model.alive) model.value.close(index);
    });
  }

  /** The arena, or a `disposed` error if the sequence or its model is no more. */
  get arena(): Arena {
    const arena = this.#model.value;
    void this.#life.value;
    return arena;
  }

  get #index(): number {
    return this.#life.value.index;
  }

  get length(): number {
    return this.arena.length(this.#index);
  }

  /** A copy. */
  get ids(): Uint32Array {
    return this.arena.ids(this.#index);
  }

  fork(): Slot {
    return new Slot(this.#model, this.arena.fork(this.#index), this.#known);
  }

  truncate(length: number): void {
    if (length === this.length) return;
    this.arena.truncate(this.#index, length);
    this.#known = false;
  }

  close(): void {
    const life = this.#life.end();
    if (life === null) return;
    this.#forget();
    if (this.#model.alive) this.#model.value.close(life.index);
  }

  checkRoom(rows: number, argument: string): void {
    this.arena.checkRoom(this.#index, rows, argument);
  }

  /** Appends one token and computes its logits. */
  appendOne(id: number): void {
    this.arena.stepOne(this.#index, id);
    this.#known = true;
  }

  /** Appends ids[from … to − 1], at most MAX_ROWS, with the logits of the last one or none. */
  appendChunk(ids: ArrayLike<number>, from: number, to: number, mode: StepMode): void {
    this.arena.step(this.#index, ids, from, to, mode);
    this.#known = mode === MODE_LAST;
  }

  /** Appends ids[from … to − 1], at most MAX_ROWS, layer by layer, with the logits of all rows, shown to `observer`. */
  observe(ids: ArrayLike<number>, from: number, to: number, observer: StepObserver): void {
    this.arena.observedStep(this.#index, ids, from, to, observer);
    this.#known = true;
  }

  /** Appends any number of tokens, shown to `observer` if there is one. If one step fails, those before it are undone. */
  appendAll(ids: ArrayLike<number>, observer: StepObserver | null): void {
    const { arena } = this;
    const chunk = arena.maxRows;
    const index = this.#index;
    const before = arena.length(index);
    const known = this.#known;
    try {
      for (let from = 0; from < ids.length; from += chunk) {
        const to = Math.min(from + chunk, ids.length);
        if (observer !== null) arena.observedStep(index, ids, from, to, observer);
        else arena.step(index, ids, from, to, to === ids.length ? MODE_LAST : MODE_NONE);
      }
      this.#known = true;
    } catch (error) {
      if (arena.length(index) > before) this.#rollBack(arena, index, before, known);
      throw error;
    }
  }

  /** Back to `length` tokens. If the logits of the last one were known, it is computed once more, to the same bits. */
  #rollBack(arena: Arena, index: number, length: number, known: boolean): void {
    if (!known) return arena.truncate(index, length);
    const last = arena.ids(index)[length - 1];
    arena.truncate(index, length - 1);
    arena.stepOne(index, last);
  }

  /** A copy of the last token's logits. */
  logits(): Float32Array {
    this.#select("logits");
    return this.arena.copyLogits();
  }

  /** Chooses the token that follows; `position` is the index it counts as for the random number. */
  draw(sampler: Sampler, position: number): number {
    this.#select("sample");
    const { arena } = this;
    sampler.apply(arena, position);
    return arena.exports.sample(arena.header, this.#index);
  }

  /** log p of a token that may follow, no options applied. */
  logProbability(id: number): number {
    this.#select("logprobs");
    return this.arena.exports.logProbability(this.arena.header, this.#index, id);
  }

  #select(argument: string): void {
    if (this.#known && this.arena.selectLogits(this.#index)) return;
    throw new KvasmError("state", `${argument}: the sequence has no logits: it is empty, or was truncated. Call prefill or decode first.`, { argument });
  }
}
