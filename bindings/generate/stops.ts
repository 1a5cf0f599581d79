/**
 * Finds stop strings in a text that comes piece by piece. What could be the beginning of a stop string is held back until
 * it is clear. Where several match, the one that ends first counts, and of those that end together the longest: so the result
 * depends on the text alone and not on how it was cut into pieces.
 */
export class StopMatcher {
  readonly #stops: readonly string[];
  readonly #longest: number;
  /** The text's end that was held back, always shorter than the longest stop string. */
  #held = "";

  constructor(stops: readonly string[]) {
    this.#stops = stops;
    this.#longest = Math.max(0, ...stops.map((stop) => stop.length));
  }

  /** The text that may be shown now; `stopped` says that a stop string follows it, and then no more must be pushed. */
  push(piece: string): { text: string; stopped: boolean } {
    if (this.#longest === 0) return { text: piece, stopped: false };
    const text = this.#held + piece;
    const match = this.#firstMatch(text);
    if (match !== -1) {
      this.#held = "";
      return { text: text.slice(0, match), stopped: true };
    }
    const clear = text.length - this.#heldLength(text);
    this.#held = text.slice(clear);
    return { text: text.slice(0, clear), stopped: false };
  }

  /** The text is over: what was held back is ordinary text. */
  flush(): string {
    const text = this.#held;
    this.#held = "";
    return text;
  }

  /** Where the match that ends first begins, or −1. */
  #firstMatch(text: string): number {
    let begin = -1;
    let end = Infinity;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at === -1) continue;
      if (at + stop.length < end || (at + stop.length === end && at < begin)) {
        begin = at;
        end = at + stop.length;
      }
    }
    return begin;
  }

  /** Characters at the end that are the beginning of some stop string. */
  #heldLength(text: string): number {
    for (let length = Math.min(text.length, this.#longest - 1); length > 0; length--) {
      const tail = text.slice(text.length - length);
      if (this.#stops.some((stop) => stop.length > length && stop.startsWith(tail))) return length;
    }
    return 0;
  }
}
