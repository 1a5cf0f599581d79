/** A text cut into pieces (tokenizers, tokenizer/pattern.rs and normalizer.rs, `split`). */

export interface Piece {
  readonly text: string;
  /** It begins where the whole text does. */
  readonly isFirst: boolean;
}

/** What becomes of what a pattern finds: a piece of its own, nothing, part of a neighbour, or one piece with what is found next to it. */
export type Behavior = "Isolated" | "Removed" | "MergedWithPrevious" | "MergedWithNext" | "Contiguous";
export const BEHAVIORS: readonly unknown[] = ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"] satisfies Behavior[];

type Part = [from: number, to: number, isMatch: boolean];

/** @param pattern with the flags g and u; `invert`: what it does not find counts as found, and the other way round */
export function split(piece: Piece, pattern: RegExp, behavior: Behavior, invert = false): Piece[] {
  const parts = matches(piece.text, pattern);
  if (invert) for (const part of parts) part[2] = !part[2];
  return arranged(parts, behavior).filter(([from, to]) => to > from).map(([from, to]) => ({ text: piece.text.slice(from, to), isFirst: piece.isFirst && from === 0 }));
}

function matches(text: string, pattern: RegExp): Part[] {
  const parts: Part[] = [];
  let last = 0;
  pattern.lastIndex = 0;
  // Not matchAll: it copies the pattern for each text, and some engines compile its many ranges anew.
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const from = match.index;
    const to = from + match[0].length;
    if (to === from) pattern.lastIndex += text.codePointAt(to)! > 0xffff ? 2 : 1;
    if (to === from && from === last && last > 0) continue; // nothing, right after what was found
    if (from > last) parts.push([last, from, false]);
    parts.push([from, to, true]);
    last = to;
  }
  if (last < text.length) parts.push([last, text.length, false]);
  return parts;
}

function arranged(parts: readonly Part[], behavior: Behavior): Part[] {
  if (behavior === "Isolated") return [...parts];
  if (behavior === "Removed") return parts.filter(([, , isMatch]) => !isMatch);
  const result: Part[] = [];
  const backwards = behavior === "MergedWithNext";
  let before = false;
  for (const part of backwards ? [...parts].reverse() : parts) {
    const [from, to, isMatch] = part;
    const joins = behavior === "Contiguous" ? isMatch === before : isMatch && !before;
    const last = result.at(-1);
    if (joins && last !== undefined) {
      if (backwards) last[0] = from;
      else last[1] = to;
    } else result.push([...part]);
    before = isMatch;
  }
  return backwards ? result.reverse() : result;
}
