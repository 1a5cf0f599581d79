/** From a row of logits to the token that follows: processors, the constraint, then the sampler. */
import type { Constraint } from "../constrain/constraint.ts";
import { KvasmError } from "../errors.ts";
import { unsigned } from "../wasm/memory.ts";
import type { Sampler } from "../model/sampler-options.ts";
import type { Drawn, Slot } from "../model/slot.ts";
import { LOWEST, processRow, writeFinite } from "./processors.ts";
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
    const row = this.#processors.length === 0 ? logits : this.#processed(slot, logits, length);
    const masked = constraint === null ? row : this.#masked(slot, row, constraint.mask());
    const id = slot.drawFrom(masked, this.#sampler, position, length);
    const drawn = { id, logprob: this.#logprobs ? slot.arena.logProbability(logits, id) : undefined };
    if (constraint === null) return drawn;
    if (slot.arena.memory.f32[masked / 4 + id] === LOWEST) {
      throw new KvasmError("value", "constrain: the processors forbid every token that the constraint allows. Change one of them.", { argument: "constrain" });
    }
    constraint.accept(id);
    return constraint.isComplete ? { ...drawn, isLast: true } : drawn;
  }

  /** Address of a copy of the row in which tokens that the mask does not have are forbidden. */
  #masked(slot: Slot, row: number, mask: Uint32Array): number {
    const { exports, header, memory: { f32 }, config: { vocab_size } } = slot.arena;
    const address = unsigned(exports.samplerLogits(header));
    const start = address / 4;
    if (row !== address) f32.copyWithin(start, row / 4, row / 4 + vocab_size);
    for (let word = 0; word < mask.length; word++) {
      const bits = mask[word]!;
      const first = word * 32;
      const end = Math.min(first + 32, vocab_size);
      if (bits === 0) f32.fill(LOWEST, start + first, start + end);
      else if (bits !== 0xffffffff) for (let id = first; id < end; id++) if ((bits >>> (id - first) & 1) === 0) f32[start + id] = LOWEST;
    }
    return address;
  }

  /** Address of what the processors make of a row: they work on a copy, so that nobody can reach the module's memory later. */
  #processed(slot: Slot, logits: number, length: number): number {
    const row = slot.arena.copyLogits(logits);
    processRow(this.#processors, slot.ids.subarray(0, length), row);
    const { exports, header, memory } = slot.arena;
    const address = unsigned(exports.samplerLogits(header));
    writeFinite(row, memory.f32, address / 4);
    return address;
  }
}
