import { KvasmError } from "../errors.ts";
import type { Arena } from "../model/arena.ts";
import type { GuessSource } from "./guesses.ts";
import type { Lifetime } from "../model/lifetime.ts";
import { Sampler } from "../model/sampler-options.ts";
import { Slot } from "../model/slot.ts";

/** Tokens that it catches up with at a time, so that the event loop turns between them. */
const MOST_AT_ONCE = 64;

/** Guesses what a smaller model finds likeliest. */
export class Draft implements GuessSource {
  readonly #slot: Slot;
  readonly #greedy: Sampler;
  readonly #text: number[] = [];
  /** What is in the slot: the text up to some token, and guesses. */
  #held: number[] = [];

  constructor(model: Lifetime<Arena>) {
    this.#slot = new Slot(model);
    this.#greedy = new Sampler({ temperature: 0 }, model.value.config.vocab_size, () => 0);
  }

  push(id: number): void {
    this.#text.push(id);
  }

  guesses(count: number): number[] {
    const { contextLength } = this.#slot.arena;
    const room = contextLength - this.#text.length + 1; // the last guess is not appended
    let common = 0;
    while (common < this.#held.length && this.#held[common] === this.#text[common]) common++;
    common = Math.min(common, this.#text.length - 1); // the last token's logits are needed
    if (room < 1) return [];
    this.#slot.truncate(common);
    const to = Math.min(this.#text.length, common + MOST_AT_ONCE);
    this.#held = this.#text.slice(0, common);
    if (!this.#slot.hasRoom(to - common + count)) return [];
    if (!this.#append(this.#text.slice(common, to)) || to < this.#text.length) return [];
    const guesses: number[] = [];
    for (;;) {
      const id = this.#slot.draw(this.#greedy, this.#held.length);
      guesses.push(id);
      if (guesses.length === Math.min(count, room) || !this.#append([id])) return guesses;
    }
  }

  /** False if the numbers are too large: then there is no guess, and no error of the text that it was to be for. */
  #append(ids: number[]): boolean {
    try {
      this.#slot.appendAll(ids, null);
    } catch (error) {
      if (KvasmError.is(error) && error.code === "non-finite") return false;
      throw error;
    }
    this.#held.push(...ids);
    return true;
  }

  close(): void {
    this.#slot.close();
  }
}
