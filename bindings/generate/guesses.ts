/** How many guesses of the tokens that follow are worth a step. */
import { KvasmError, checkOptions, shown } from "../errors.ts";
import { HEAD_ROWS } from "../wasm/exports.ts";
import { behind } from "../model/behind.ts";
import { Draft } from "./draft.ts";
import type { Drawing } from "./drawing.ts";
import type { Arena } from "../model/arena.ts";
import type { Lifetime } from "../model/lifetime.ts";
import { Lookup } from "./lookup.ts";
import type { Drawn, Slot } from "../model/slot.ts";

/** Where guesses come from. */
export interface GuessSource {
  /** The text's next token. */
  push(id: number): void;
  /** At most `count` tokens that may follow the text; none is an answer too. */
  guesses(count: number): number[];
  /** The text is over. May be called twice. */
  close(): void;
}

/** From what guesses are made: the text itself, or a smaller model; null: none are. */
export type Speculation = "lookup" | Lifetime<Arena> | null;

/** @throws KvasmError `value`, `type`, `option` (speculate), `disposed` (a draft that was) */
export function checkSpeculate(speculate: unknown, { config }: Arena): Speculation {
  if (speculate === undefined || speculate === false) return null;
  if (speculate === "lookup") return "lookup";
  if (typeof speculate !== "object" || speculate === null) {
    throw new KvasmError("value", `speculate: expected "lookup", { draft: a model } or false, got ${shown(speculate)}.`, { argument: "speculate", value: speculate });
  }
  const { draft } = checkOptions<{ draft?: unknown }>("speculate", speculate, ["draft"]);
  const model = typeof draft === "object" && draft !== null ? behind.get(draft) : undefined;
  if (model === undefined) throw new KvasmError("type", `speculate.draft: expected a Model that load gave here, got ${shown(draft)}.`, { argument: "speculate.draft", value: draft });
  const { vocab_size } = model.value.config;
  if (vocab_size === config.vocab_size) return model;
  throw new KvasmError("value", `speculate.draft: its vocabulary has ${vocab_size} tokens, and this model's has ${config.vocab_size}. Use one with the same tokens.`, { argument: "speculate.draft", value: vocab_size });
}

/** null: no guesses. */
export function openGuesser(speculation: Speculation, prompt: ArrayLike<number>, { config }: Arena): Guesser | null {
  if (speculation === null) return null;
  const source = speculation === "lookup" ? new Lookup(config.vocab_size) : new Draft(speculation);
  for (let i = 0; i < prompt.length; i++) source.push(prompt[i]!);
  return new Guesser(source);
}

/** A step's rows beside the token itself. */
const MOST = HEAD_ROWS - 1;
/** Tokens without a guess after one that was wrong from its beginning; twice as many after the next, up to the second. */
const LEAST_REST = 2, MOST_REST = 64;
/** The share that the newest measure has in a mean. */
const SHARE = 0.25;

export class Guesser {
  readonly #source: GuessSource;
  #size = 4;
  #rest = 0;
  #nextRest = LEAST_REST;
  /** Milliseconds of a step of one row, and of a guessed token: means, 0 where the clock says nothing. */
  #plain = 0;
  #guessed = 0;

  constructor(source: GuessSource) {
    this.#source = source;
  }

  push(id: number): void {
    this.#source.push(id);
  }

  close(): void {
    this.#source.close();
  }

  /**
   * Appends `id`, the last one of the text, with guesses of what follows where there are any. Returns what was drawn (Slot.appendGuessed), the
   * first at `position`; or nothing, and nothing was appended, where the guesses' numbers were too large. `most`: tokens that are still
   * wanted.
   */
  append(slot: Slot, id: number, drawing: Drawing, position: number, most: number): Drawn[] {
    const next = (logits: number, row: number, length: number): Drawn => drawing.from(slot, logits, position + row, length);
    const began = performance.now();
    const guesses = this.#guesses(Math.min(most - 1, slot.arena.contextLength - slot.length - 1));
    if (guesses.length === 0 || !slot.hasRoom(guesses.length + 1)) {
      const drawn = slot.appendGuessed([id], next);
      this.#plain = mean(this.#plain, performance.now() - began);
      return drawn;
    }
    let drawn: Drawn[];
    try {
      drawn = slot.appendGuessed([id, ...guesses], next);
    } catch (error) {
      // A guess may be what no text would go on with, and its numbers too large. The token alone will tell.
      if (!KvasmError.is(error) || error.code !== "non-finite") throw error;
      this.#wrong();
      return [];
    }
    this.#guessed = mean(this.#guessed, (performance.now() - began) / drawn.length);
    if (drawn.length === 1) this.#wrong();
    else if (this.#plain > 0 && this.#guessed > this.#plain) this.#slow();
    else {
      this.#nextRest = LEAST_REST;
      this.#size = drawn.length > guesses.length ? Math.min(MOST, 2 * this.#size) : drawn.length;
    }
    return drawn;
  }

  #wrong(): void {
    this.#rest = this.#nextRest;
    this.#nextRest = Math.min(MOST_REST, 2 * this.#nextRest);
    this.#guessed = 0;
    this.#size = Math.max(1, this.#size >> 1);
  }

  /** Fewer rows, and a few tokens alone, whose time is looked at anew: the machine may have become slower since. */
  #slow(): void {
    this.#rest = LEAST_REST;
    this.#guessed = 0;
    this.#size = Math.max(1, this.#size >> 1);
  }

  #guesses(most: number): number[] {
    if (this.#rest === 0) return most > 0 ? this.#source.guesses(Math.min(this.#size, most)) : [];
    this.#rest--;
    return [];
  }
}

function mean(before: number, value: number): number {
  return before === 0 ? value : before + SHARE * (value - before);
}
