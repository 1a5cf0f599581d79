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

  /** @throws KvasmError `value` where no token can follow, since the vocabulary has none for what is missing */
  check(): void {
    if (this.#isFinal || !this.#follow().isEmpty) return;
    throw new KvasmError("value", "constrain: no token of the vocabulary can go on with the text, which does not satisfy the constraint yet. Allow characters that the vocabulary has.", { argument: "constrain" });
  }

  /**
   * Writes `lowest` to the logits, f32[vocab_size], of all tokens that may not follow.
   * @throws KvasmError as check
   */
  forbid(logits: Float32Array, lowest: number): void {
    this.check();
    const { mask } = this.#follow();
    const ends = this.#isFinal ? this.#ends.map((id) => [id, logits[id]!] as const) : [];
    mask.forEach((bits, word) => {
      const first = word * 32;
      if (bits === 0) logits.fill(lowest, first, first + 32);
      else if (bits !== 0xffffffff) for (let id = first; id < Math.min(first + 32, logits.length); id++) if ((bits >>> (id - first) & 1) === 0) logits[id] = lowest;
    });
    for (const [id, logit] of ends) logits[id] = logit;
  }

  /**
   * `id` is the text's next token; `logit`: its own, after forbid.
   * @throws KvasmError `value` where processors had forbidden all tokens that may follow
   */
  accept(id: number, logit: number, lowest: number): void {
    if (logit === lowest) throw new KvasmError("value", "constrain: the processors forbid every token that the constraint allows. Change one of them.", { argument: "constrain" });
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
