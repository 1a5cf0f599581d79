/** Which tokens may follow, token by token. */
import { KvasmError } from "../errors.ts";
import type { State } from "./automaton.ts";
import { after, placeAt } from "./place.ts";
import type { Place } from "./place.ts";
import type { TokenTable } from "./vocabulary.ts";

interface Allowed {
  /** u32[⌈vocab_size / 32⌉], bit id mod 32 of word ⌊id / 32⌋; without those that end the text. */
  readonly mask: Uint32Array;
  readonly isEmpty: boolean;
}

export class Constraint {
  readonly #table: TokenTable;
  readonly #words: number;
  readonly #ends: readonly number[];
  readonly #allowed = new Map<State, Map<string, Allowed>>();
  #place: Place;

  /** @param ends ids that end a text where it may end */
  constructor(table: TokenTable, start: State, vocabSize: number, ends: Iterable<number>) {
    this.#table = table;
    this.#words = Math.ceil(vocabSize / 32);
    this.#ends = [...ends];
    this.#place = placeAt(start);
  }

  get #isFinal(): boolean {
    return this.#place.missing === 0 && this.#place.state.isFinal;
  }

  /** The text satisfies the pattern, and no token can be added to it. */
  get isComplete(): boolean {
    return this.#isFinal && this.#follow().isEmpty;
  }

  /**
   * u32[⌈vocab_size / 32⌉], bit id mod 32 of word ⌊id / 32⌋: what may follow.
   * @throws KvasmError `value` where none can, since the vocabulary has no token for what is missing
   */
  mask(): Uint32Array {
    const { mask, isEmpty } = this.#follow();
    if (!this.#isFinal) {
      if (!isEmpty) return mask;
      throw new KvasmError("value", "constrain: no token of the vocabulary can go on with the text, which does not satisfy the constraint yet. Allow characters that the vocabulary has.", { argument: "constrain" });
    }
    const withEnds = mask.slice();
    for (const id of this.#ends) withEnds[id >>> 5]! |= 1 << (id & 31);
    return withEnds;
  }

  /** `id` is the text's next token, one that the mask has. */
  accept(id: number): void {
    const bytes = this.#table.byId.get(id);
    if (bytes === undefined) return; // it ended the text
    let place: Place | null = this.#place;
    for (const byte of bytes) if (place !== null) place = after(place, byte);
    if (place === null) throw new KvasmError("state", `constrain: token ${id} does not satisfy the constraint. Please report this.`, { argument: "constrain", value: id });
    this.#place = place;
  }

  #follow(): Allowed {
    const { state, bits, missing } = this.#place;
    let known = this.#allowed.get(state);
    if (known === undefined) this.#allowed.set(state, known = new Map());
    const key = `${missing} ${bits}`;
    let allowed = known.get(key);
    if (allowed === undefined) known.set(key, allowed = this.#find());
    return allowed;
  }

  /** Tokens with a common beginning stand together: it is followed once. */
  #find(): Allowed {
    const mask = new Uint32Array(this.#words);
    let isEmpty = true;
    /** After each byte of the token before. */
    const places: Place[] = [this.#place];
    for (const { id, bytes, common } of this.#table.tokens) {
      if (common >= places.length) continue; // as the one before, which was refused at an earlier byte
      places.length = common + 1;
      for (let i = common; i < bytes.length; i++) {
        const next = after(places[i]!, bytes[i]!);
        if (next === null) break;
        places.push(next);
      }
      if (places.length <= bytes.length || id >>> 5 >= mask.length) continue;
      mask[id >>> 5]! |= 1 << (id & 31);
      isEmpty = false;
    }
    return { mask, isEmpty };
  }
}
