/** A place in a text of bytes: an automaton's state, and the bytes of a character that is not whole yet. */
import type { State } from "./automaton.ts";

export interface Place {
  readonly state: State;
  /** Of the unfinished character: its bits so far, how many bytes are missing, and the least code point that it may be (no overlong form). */
  readonly bits: number;
  readonly missing: number;
  readonly least: number;
}

export const placeAt = (state: State): Place => ({ state, bits: 0, missing: 0, least: 0 });

/** After one more byte of UTF-8; null if no text that satisfies the pattern goes on so. */
export function after({ state, bits, missing, least }: Place, byte: number): Place | null {
  if (missing === 0) {
    if (byte < 0x80) return at(state.next(byte));
    if (byte >= 0xc2 && byte < 0xe0) return partial(state, byte & 31, 1, 0x80);
    if (byte >= 0xe0 && byte < 0xf0) return partial(state, byte & 15, 2, 0x800);
    return byte >= 0xf0 && byte < 0xf5 ? partial(state, byte & 7, 3, 0x10000) : null;
  }
  if ((byte & 0xc0) !== 0x80) return null;
  return partial(state, bits << 6 | byte & 63, missing - 1, least);
}

function at(state: State | null): Place | null {
  return state === null ? null : placeAt(state);
}

function partial(state: State, bits: number, missing: number, least: number): Place | null {
  const low = Math.max(least, bits << 6 * missing);
  const high = Math.min(0x10ffff, (bits + 1 << 6 * missing) - 1);
  if (missing === 0) return low === high && (bits < 0xd800 || bits > 0xdfff) ? at(state.next(bits)) : null;
  // Surrogates are no characters: what is left of the range lies below and above them.
  const goesOn = (from: number, to: number): boolean => from <= to && state.goesOn(from, to);
  return goesOn(low, Math.min(high, 0xd7ff)) || goesOn(Math.max(low, 0xe000), high) ? { state, bits, missing, least } : null;
}
