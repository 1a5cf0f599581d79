import type { GuessSource } from "./guesses.ts";

/** So many last tokens have to have stood in the text before. */
const GRAM = 3;

/** Guesses that what followed the last tokens when they stood in the text before follows again. */
export class Lookup implements GuessSource {
  readonly #vocabSize: number;
  readonly #text: number[] = [];
  /** Where in the text the token after so many tokens stands, the last time. */
  readonly #after = new Map<number, number>();

  constructor(vocabSize: number) {
    this.#vocabSize = vocabSize;
  }

  push(id: number): void {
    const { length } = this.#text;
    if (length >= GRAM) this.#after.set(this.#key(), length);
    this.#text.push(id);
  }

  /** Where what followed reaches the end of the text, it goes on from what it said itself. */
  guesses(count: number): number[] {
    const from = this.#text.length >= GRAM ? this.#after.get(this.#key()) : undefined;
    if (from === undefined) return [];
    const guesses: number[] = [];
    for (let i = 0; i < count; i++) guesses.push(this.#text[from + i] ?? guesses[from + i - this.#text.length]!);
    return guesses;
  }

  close(): void {}

  /** Of the last tokens. A number that others have too makes a wrong guess, and no more than that. */
  #key(): number {
    const { length } = this.#text;
    let key = 0;
    for (let i = length - GRAM; i < length; i++) key = key * this.#vocabSize + this.#text[i]!;
    return key;
  }
}
