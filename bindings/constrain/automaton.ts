/** A pattern as an automaton over code points: sets of places in the pattern, found as they are needed. */
import { KvasmError } from "../errors.ts";
import type { Pattern, Ranges } from "./pattern.ts";

/** Places in a pattern: what a repetition of a repetition comes to quickly. */
const MOST_PLACES = 200_000;

interface Place {
  ranges: Ranges;
  to: number;
  /** Without a character. */
  readonly free: number[];
}

export class State {
  readonly #automaton: Automaton;
  readonly places: readonly number[];
  readonly #next = new Map<number, State | null>();

  constructor(automaton: Automaton, places: readonly number[]) {
    this.#automaton = automaton;
    this.places = places;
  }

  /** The text so far is all of one. */
  get isFinal(): boolean {
    return this.places.includes(this.#automaton.final);
  }

  /** null: no text goes on like this. */
  next(codePoint: number): State | null {
    let state = this.#next.get(codePoint);
    if (state === undefined) this.#next.set(codePoint, state = this.#automaton.after(this.places, codePoint));
    return state;
  }

  /** Whether some text goes on with one of these. */
  goesOn(low: number, high: number): boolean {
    return this.places.some((place) => this.#automaton.places[place]!.ranges.some(([first, last]) => first <= high && low <= last));
  }
}

export class Automaton {
  readonly places: Place[] = [];
  readonly final: number;
  readonly #states = new Map<string, State>();
  readonly #start: number;

  /** @throws KvasmError `memory` for a pattern that is too large */
  constructor(pattern: Pattern) {
    this.#start = this.#add();
    this.final = this.#build(pattern, this.#start);
    this.#dropDead();
  }

  /** null: no text satisfies the pattern. */
  start(): State | null {
    return this.#state([this.#start]);
  }

  after(places: readonly number[], codePoint: number): State | null {
    const to = places.filter((place) => this.places[place]!.ranges.some(([low, high]) => low <= codePoint && codePoint <= high)).map((place) => this.places[place]!.to);
    return this.#state(to);
  }

  #add(): number {
    if (this.places.length === MOST_PLACES) {
      throw new KvasmError("memory", `constrain: the pattern has more than ${MOST_PLACES} places. Use smaller repetitions, or * instead of a large bound.`, { argument: "constrain", value: MOST_PLACES });
    }
    return this.places.push({ ranges: [], to: -1, free: [] }) - 1;
  }

  /** Adds the pattern behind a place that has nothing behind it; returns the place that it ends at. */
  #build(pattern: Pattern, from: number): number {
    switch (pattern.type) {
      case "characters": {
        const to = this.#add();
        Object.assign(this.places[from]!, { ranges: pattern.ranges, to });
        return to;
      }
      case "sequence":
        return pattern.items.reduce((at, item) => this.#build(item, at), from);
      case "choice": {
        const ends = pattern.items.map((item) => this.#build(item, this.#behind(from)));
        const end = this.#add();
        for (const one of ends) this.places[one]!.free.push(end);
        return end;
      }
      case "repeat": {
        let at = from;
        for (let i = 0; i < pattern.min; i++) at = this.#build(pattern.item, at);
        if (pattern.max === Infinity) {
          const loop = this.#behind(at);
          const back = this.#build(pattern.item, this.#behind(loop));
          this.places[back]!.free.push(loop);
          return this.#behind(loop);
        }
        const ends = [at];
        for (let i = pattern.min; i < pattern.max; i++) ends.push(at = this.#build(pattern.item, this.#behind(at)));
        const end = this.#add();
        for (const one of ends) this.places[one]!.free.push(end);
        return end;
      }
    }
  }

  /** A new place that is reached without a character. */
  #behind(place: number): number {
    const next = this.#add();
    this.places[place]!.free.push(next);
    return next;
  }

  /** Takes away what leads to places from which no text ends: [] matches nothing. */
  #dropDead(): void {
    const into: number[][] = this.places.map(() => []);
    this.places.forEach(({ ranges, to, free }, place) => {
      if (ranges.length > 0) into[to]!.push(place);
      for (const next of free) into[next]!.push(place);
    });
    const alive = new Set([this.final]);
    for (const place of alive) for (const before of into[place]!) alive.add(before);
    for (const place of this.places) if (!alive.has(place.to)) place.ranges = [];
    this.#alive = alive;
  }

  #alive: ReadonlySet<number> = new Set();

  #state(places: readonly number[]): State | null {
    const all = new Set(places);
    for (const place of all) for (const next of this.places[place]!.free) all.add(next);
    const held = [...all].filter((place) => this.#alive.has(place) && (place === this.final || this.places[place]!.ranges.length > 0)).sort((a, b) => a - b);
    if (held.length === 0) return null;
    const key = held.join();
    let state = this.#states.get(key);
    if (state === undefined) this.#states.set(key, state = new State(this, held));
    return state;
  }
}
