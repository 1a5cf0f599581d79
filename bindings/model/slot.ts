import { KvasmError } from "../errors.ts";
import { MODE_LAST, MODE_NONE } from "../wasm/exports.ts";
import type { Sharing } from "../cache/sharing.ts";
import type { Arena, StepEntry, StepMode, StepObserver } from "./arena.ts";
import { Lifetime, whenCollected } from "./lifetime.ts";
import type { Sampler } from "./sampler-options.ts";

export interface Drawn {
  readonly id: number;
  readonly logprob: number | undefined;
  readonly topLogprobs?: readonly { readonly id: number; readonly logprob: number }[] | undefined;
  /** A constraint lets nothing follow it. */
  readonly isLast?: boolean | undefined;
}

/**
 * One sequence in the arena, held until `close` or until it is collected. Arguments have been checked. The public Sequence and
 * generators are made of it.
 */
export class Slot {
  readonly #model: Lifetime<Arena>;
  readonly #life: Lifetime<{ index: number }>;
  readonly #forget: () => void;
  readonly #sharing: Sharing;
  /** Tokens that were in the cache already when it was opened. */
  readonly reused: number;

  /** @param sharing with whom its pages may be shared, in the end */
  constructor(model: Lifetime<Arena>, index = model.value.open(), sharing: Sharing = null) {
    this.#model = model;
    this.#sharing = sharing;
    this.reused = sharing === null ? 0 : model.value.length(index);
    this.#life = new Lifetime("sequence", { index });
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

  /** The arena and this sequence's number in it, for what has a file of its own. */
  get place(): { readonly arena: Arena; readonly index: number } {
    return { arena: this.arena, index: this.#index };
  }

  get length(): number {
    return this.arena.length(this.#index);
  }

  /** A copy. */
  get ids(): Uint32Array {
    return this.arena.ids(this.#index);
  }

  fork(): Slot {
    return new Slot(this.#model, this.arena.fork(this.#index));
  }

  truncate(length: number): void {
    if (length === this.length) return;
    this.arena.truncate(this.#index, length);
  }

  close(): void {
    const life = this.#life.end();
    if (life === null) return;
    this.#forget();
    if (!this.#model.alive) return;
    const arena = this.#model.value;
    if (this.#sharing !== null) arena.prefixes.know(this.#sharing.salt, life.index, true);
    arena.close(life.index);
  }

  /** From now on others may begin with the pages that are full. */
  share(): void {
    if (this.#sharing !== null) this.arena.prefixes.know(this.#sharing.salt, this.#index, false);
  }

  hasRoom(rows: number): boolean {
    return this.arena.hasRoom(this.#index, rows);
  }

  checkRoom(rows: number, argument: string): void {
    this.arena.checkRoom(this.#index, rows, argument);
  }

  /** Appends one token and computes its logits. */
  appendOne(id: number): void {
    this.arena.stepOne(this.#index, id);
  }

  /** Appends ids[from … to − 1], at most MAX_ROWS, with the logits of the last one or none. */
  appendChunk(ids: ArrayLike<number>, from: number, to: number, mode: StepMode): void {
    this.arena.step(this.#index, ids, from, to, mode);
  }

  /** Appends ids[from … to − 1], at most MAX_ROWS, layer by layer, with the logits of all rows, shown to `observer`. `before`: what other
   * sequences append in the same step. */
  observe(ids: ArrayLike<number>, from: number, to: number, observer: StepObserver, before: readonly StepEntry[] = []): void {
    this.arena.observedStep(this.#index, ids, from, to, observer, before);
  }

  /** ids[from … to − 1] for a step of several sequences. */
  entry(ids: ArrayLike<number>, from: number, to: number, mode: StepMode): StepEntry {
    return { slot: this.#index, ids, from, to, mode };
  }

  /** Appends any number of tokens, shown to `observer` if there is one. If one step fails, those before it are undone. */
  appendAll(ids: ArrayLike<number>, observer: StepObserver | null): void {
    const { arena } = this;
    const chunk = arena.maxRows;
    const index = this.#index;
    const before = arena.length(index);
    const known = arena.hasLogits(index);
    try {
      for (let from = 0; from < ids.length; from += chunk) {
        const to = Math.min(from + chunk, ids.length);
        if (observer !== null) arena.observedStep(index, ids, from, to, observer);
        else arena.step(index, ids, from, to, to === ids.length ? MODE_LAST : MODE_NONE);
      }
    } catch (error) {
      if (arena.length(index) > before) this.rollBack(before, known);
      throw error;
    }
  }

  /** Back to `length` tokens. If the logits of the last one were known, it is computed once more, to the same bits. */
  rollBack(length: number, known: boolean): void {
    const { arena } = this;
    const index = this.#index;
    if (!known) return arena.truncate(index, length);
    const last = arena.ids(index)[length - 1];
    arena.truncate(index, length - 1);
    arena.stepOne(index, last);
  }

  /** A copy of the last token's logits. */
  logits(): Float32Array {
    return this.arena.copyLogits(this.logitsAddress("logits"));
  }

  /** Chooses the token that follows; `position` is the index it counts as for the random number. */
  draw(sampler: Sampler, position: number): number {
    return this.drawFrom(this.logitsAddress("sample"), sampler, position, this.length);
  }

  /**
   * Appends a token and guesses of what follows it, and draws what does follow: after the token, and after each guess as long as they are what
   * was drawn. The sequence then ends with the last guess that was right, as if it had been decoded. All that was drawn but for the last is in
   * the sequence. `next` draws from the logits at an address, those of a row; the sequence has `length` tokens then. If it throws, none of them is in
   * the sequence.
   */
  appendGuessed(ids: ArrayLike<number>, next: (logits: number, row: number, length: number) => Drawn): Drawn[] {
    const { arena } = this;
    const index = this.#index;
    const before = arena.length(index);
    const { address, stride } = arena.stepRows(index, ids);
    const drawn: Drawn[] = [];
    try {
      do {
        const row = drawn.length;
        const logits = address + row * stride;
        drawn.push(next(logits, row, before + row + 1));
      } while (drawn.length < ids.length && drawn.at(-1)!.isLast !== true && drawn.at(-1)!.id === ids[drawn.length]);
    } catch (error) {
      if (this.#model.alive) arena.truncate(index, before);
      throw error;
    }
    arena.keepRows(index, before, drawn.length);
    return drawn;
  }

  /** Draws from the logits at an address; the first `length` ids are the history of the penalties. */
  drawFrom(logits: number, sampler: Sampler, position: number, length: number): number {
    const { arena } = this;
    sampler.apply(arena, position);
    return arena.sample(this.#index, logits, length);
  }

  /** log p of a token that may follow, no options applied. */
  logProbability(id: number): number {
    return this.arena.logProbability(this.logitsAddress("logprobs"), id);
  }

  /** Address of the last token's logits, until the next step. */
  logitsAddress(argument: string): number {
    const address = this.arena.logits(this.#index);
    if (address !== 0) return address;
    throw new KvasmError("state", `${argument}: the sequence has no logits: it is empty, or was truncated. Call prefill or decode first.`, { argument });
  }
}
