/** What a text may be: patterns over code points, as JSON-like values. Regular expressions, JSON schemas and choices become these. */

/** Code points, both ends included, ascending and apart. */
export type Ranges = readonly (readonly [low: number, high: number])[];

export type Pattern =
  | { readonly type: "characters"; readonly ranges: Ranges }
  | { readonly type: "sequence"; readonly items: readonly Pattern[] }
  | { readonly type: "choice"; readonly items: readonly Pattern[] }
  /** `max` may be Infinity. */
  | { readonly type: "repeat"; readonly item: Pattern; readonly min: number; readonly max: number };

export const LAST_CODE_POINT = 0x10ffff;

export const sequence = (...items: readonly Pattern[]): Pattern => ({ type: "sequence", items });
export const choice = (...items: readonly Pattern[]): Pattern => ({ type: "choice", items });
export const repeat = (item: Pattern, min: number, max: number): Pattern => ({ type: "repeat", item, min, max });
export const optional = (item: Pattern): Pattern => repeat(item, 0, 1);
/** Surrogates are left out: UTF-8 has none. */
export const characters = (ranges: Ranges): Pattern => ({ type: "characters", ranges: complement([...complement(ranges), [0xd800, 0xdfff]]) });
/** The text itself. */
export const literal = (text: string): Pattern => sequence(...Array.from(text, (one) => characters([[one.codePointAt(0)!, one.codePointAt(0)!]])));

function united(ranges: Ranges): Ranges {
  const result: [number, number][] = [];
  for (const [low, high] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else result.push([low, high]);
  }
  return result;
}

/** All other code points. */
export function complement(ranges: Ranges): Ranges {
  const result: [number, number][] = [];
  let next = 0;
  for (const [low, high] of united(ranges)) {
    if (low > next) result.push([next, low - 1]);
    next = high + 1;
  }
  if (next <= LAST_CODE_POINT) result.push([next, LAST_CODE_POINT]);
  return result;
}
