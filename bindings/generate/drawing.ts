/** From a row of logits to the token that follows: processors, the constraint, then the sampler. */
import type { Constraint } from "../constrain/constraint.ts";
import { unsigned } from "../wasm/memory.ts";
import type { Sampler } from "../model/sampler-options.ts";
import type { Drawn, Slot } from "../model/slot.ts";

/** A forbidden token's logit, since the sampler takes finite ones: so far below all others that its weight is +0. */
const LOWEST = -(2 - 2 ** -23) * 2 ** 127;

export class Drawing {
  readonly #sampler: Sampler;
  readonly #logprobs: boolean;
  /** How many of the likeliest tokens to give with each. */
  readonly #top: number;
  /** What the text has to be, and the caller's processors; set before the first token. */
  constraint: Constraint | null = null;
  process: ((ids: Uint32Array, row: Float32Array) => void) | null = null;

  constructor(sampler: Sampler, logprobs: boolean, top: number) {
    this.#sampler = sampler;
    this.#logprobs = logprobs;
    this.#top = top;
  }

  /** Draws from the logits of the sequence's last token. `position`: the index that the drawn token will have. */
  next(slot: Slot, position: number): Drawn {
    return this.from(slot, slot.logitsAddress("sample"), position, slot.length);
  }

  /**
   * Draws from the row of logits at an address; the sequence's first `length` ids are the tokens before it. The row stays as it is.
   * @throws KvasmError `disposed`; what processors throw; `value` where constraint and processors leave no token
   */
  from(slot: Slot, logits: number, position: number, length: number): Drawn {
    const { constraint } = this;
    const row = this.process === null && constraint === null ? logits : this.#prepared(slot, logits, length);
    const id = slot.drawFrom(row, this.#sampler, position, length);
    const { arena } = slot;
    constraint?.accept(id, arena.memory.f32[row / 4 + id]!, LOWEST);
    return {
      id, logprob: this.#logprobs ? arena.logProbability(logits, id) : undefined, topLogprobs: this.#top > 0 ? arena.likeliest(logits, this.#top) : undefined,
      isLast: constraint?.isComplete,
    };
  }

  /**
   * Address of a copy of the row, in which tokens that may not follow are forbidden. Processors work on a copy of their own, so that nobody can reach the
   * module's memory later.
   */
  #prepared(slot: Slot, logits: number, length: number): number {
    const row = slot.arena.copyLogits(logits);
    this.process?.(slot.ids.subarray(0, length), row);
    const { exports, header, memory } = slot.arena;
    const address = unsigned(exports.samplerLogits(header));
    const prepared = row.map((logit) => Math.max(LOWEST, logit));
    this.constraint?.forbid(prepared, LOWEST);
    memory.f32.set(prepared, address / 4);
    return address;
  }
}
