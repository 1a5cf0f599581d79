/** Guesses of the tokens that follow, and how many of them are worth a step. */
import { KvasmError, shown } from "../errors.ts";
import { HEAD_ROWS } from "../wasm/exports.ts";
import type { Arena } from "./arena.ts";
import type { Sampler } from "./sampler-options.ts";
import type { Drawn, Slot } from "./slot.ts";

/** @throws KvasmError `value` */
export function checkSpeculate(speculate: unknown): boolean {
  if (speculate === undefined || speculate === false) return false;
  if (speculate === "lookup") return true;
  throw new KvasmError("value", `speculate: expected "lookup" or false, got ${shown(speculate)}.`, { argument: "speculate", value: speculate });
}

/** So many last tokens have to have stood in the text before. */
const GRAM = 3;
/** A step's rows beside the token itself. */
const MOST = HEAD_ROWS - 1;
/** Tokens without a guess after one that was wrong from its beginning; twice as many after the next, up to the second. */
const LEAST_REST = 2, MOST_REST = 64;
/** The share that the newest measure has in a mean. */
const SHARE = 0.25;

export class Guesser {
  readonly #vocab: number;
  readonly #text: number[] = [];
  /** Where in the text the token after so many tokens stands, the last time. */
  readonly #after = new Map<number, number>();
  #size = 4;
  #rest = 0;
  #nextRest = LEAST_REST;
  /** Milliseconds of a step of one row, and what a guessed token took: means, 0 where the clock says nothing. */
  #plain = 0;
  #guessed = 0;

  constructor(prompt: ArrayLike<number>, { config }: Arena) {
    this.#vocab = config.vocab_size;
    for (let i = 0; i < prompt.length; i++) this.push(prompt[i]);
  }

  push(id: number): void {
    const { length } = this.#text;
    if (length >= GRAM) this.#after.set(this.#key(), length);
    this.#text.push(id);
  }

  /**
   * Appends `id`, the last one of the text, with guesses of what follows where there are any. Returns what was drawn (Slot.appendGuessed); or
   * nothing, and nothing was appended, where the guesses' numbers were too large. `most`: tokens that are still wanted.
   */
  append(slot: Slot, id: number, sampler: Sampler, position: number, logprobs: boolean, most: number): Drawn[] {
    const guesses = this.#guesses(Math.min(most - 1, slot.arena.contextLength - slot.length - 1));
    if (guesses.length === 0 || !slot.hasRoom(guesses.length + 1)) return this.#timed(slot, id, sampler, position, logprobs);
    const began = performance.now();
    let drawn: Drawn[];
    try {
      drawn = slot.appendGuessed([id, ...guesses], sampler, position, logprobs);
    } catch (error) {
      // A guess may be what no text would go on with, and its numbers too large. The token alone will tell.
      if (!KvasmError.is(error) || error.code !== "non-finite") throw error;
      this.#wrong();
      return [];
    }
    this.#guessed = mean(this.#guessed, (performance.now() - began) / drawn.length);
    if (drawn.length === 1 || this.#guessed > this.#plain && this.#plain > 0) this.#wrong();
    else {
      this.#nextRest = LEAST_REST;
      this.#size = drawn.length > guesses.length ? Math.min(MOST, 2 * this.#size) : drawn.length;
    }
    return drawn;
  }

  /** The token alone, to know what that takes. */
  #timed(slot: Slot, id: number, sampler: Sampler, position: number, logprobs: boolean): Drawn[] {
    const began = performance.now();
    const drawn = slot.appendGuessed([id], sampler, position, logprobs);
    this.#plain = mean(this.#plain, performance.now() - began);
    return drawn;
  }

  #wrong(): void {
    this.#rest = this.#nextRest;
    this.#nextRest = Math.min(MOST_REST, 2 * this.#nextRest);
    this.#guessed = 0;
    this.#size = Math.max(1, this.#size >> 1);
  }

  /** What followed the last tokens when they stood here before; where that reaches the end, it goes on from what it said itself. */
  #guesses(most: number): number[] {
    if (this.#rest > 0) {
      this.#rest--;
      return [];
    }
    const from = this.#text.length >= GRAM ? this.#after.get(this.#key()) : undefined;
    if (from === undefined) return [];
    const guesses: number[] = [];
    for (let i = 0; i < Math.min(this.#size, most); i++) guesses.push(this.#text[from + i] ?? guesses[from + i - this.#text.length]!);
    return guesses;
  }

  /** Of the last tokens. A number that others have too makes a wrong guess, and no more than that. */
  #key(): number {
    const { length } = this.#text;
    let key = 0;
    for (let i = length - GRAM; i < length; i++) key = key * this.#vocab + this.#text[i]!;
    return key;
  }
}

function mean(before: number, value: number): number {
  return before === 0 ? value : before + SHARE * (value - before);
}
