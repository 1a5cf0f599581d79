/** From a row of logits to the token that follows: processors, then the sampler. */
import { unsigned } from "../wasm/memory.ts";
import type { Sampler } from "../model/sampler-options.ts";
import type { Drawn, Slot } from "../model/slot.ts";
import { processRow, writeFinite } from "./processors.ts";
import type { LogitProcessor } from "./processors.ts";

export class Drawing {
  readonly #sampler: Sampler;
  readonly #processors: readonly LogitProcessor[];
  readonly #logprobs: boolean;

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
   * @throws KvasmError `disposed`; as processRow
   */
  from(slot: Slot, logits: number, position: number, length: number): Drawn {
    const row = this.#processors.length === 0 ? logits : this.#processed(slot, logits, length);
    const id = slot.drawFrom(row, this.#sampler, position, length);
    return { id, logprob: this.#logprobs ? slot.arena.logProbability(logits, id) : undefined };
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
