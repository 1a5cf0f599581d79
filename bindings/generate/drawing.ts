/** From a row of logits to the token that follows: processors, the constraint, then the sampler. */
import type { Constraint } from "../constrain/constraint.ts";
import { unsigned } from "../wasm/memory.ts";
import type { Sampler } from "../model/sampler-options.ts";
import type { Drawn, Slot } from "../model/slot.ts";
import { LOWEST, processRow } from "./processors.ts";
import type { LogitProcessor } from "./processors.ts";

export class Drawing {
  readonly #sampler: Sampler;
  readonly #processors: readonly LogitProcessor[];
  readonly #logprobs: boolean;
  /** What the text has to be; set before the first token. */
  constraint: Constraint | null = null;

  constructor(sampler: Sampler, processors: readonly LogitProcessor[], logprobs: boolean) {
    this.#sampler = sampler;
    this.#processors = processors;
    this.#logprobs = logprobs;
  }

  /** Draws from the logits of the sequence's last token. `position`: the index that the drawn token will have. */
  next(slot: Slot, position: number): Drawn {
    return this.from(slot, slot.logitsAddress("sample"), position, slot.length);
  }

  /**
   * Draws from the row of logits at an address; the sequence's first `length` ids are the tokens before it. The row stays as it is.
   * @throws KvasmError `disposed`; as processRow; `value` where constraint and processors leave no token
   */
  from(slot: Slot, logits: number, position: number, length: number): Drawn {
    const { constraint } = this;
    const row = this.#processors.length === 0 && constraint === null ? logits : this.#prepared(slot, logits, length);
    const id = slot.drawFrom(row, this.#sampler, position, length);
    const drawn = { id, logprob: this.#logprobs ? slot.arena.logProbability(logits, id) : undefined };
    if (constraint === null) return drawn;
    constraint.accept(id, slot.arena.memory.f32[row / 4 + id]!, LOWEST);
    return constraint.isComplete ? { ...drawn, isLast: true } : drawn;
  }

  /**
   * Address of a copy of the row, in which tokens that may not follow are forbidden. Processors work on a copy of their own, so that nobody can reach the
   * module's memory later.
   */
  #prepared(slot: Slot, logits: number, length: number): number {
    const row = slot.arena.copyLogits(logits);
    if (this.#processors.length > 0) processRow(this.#processors, slot.ids.subarray(0, length), row);
    const { exports, header, memory } = slot.arena;
    const address = unsigned(exports.samplerLogits(header));
    const prepared = row.map((logit) => Math.max(LOWEST, logit));
    this.constraint?.forbid(prepared, LOWEST);
    memory.f32.set(prepared, address / 4);
    return address;
  }
}
