/** Sets of code points by Unicode category, as ranges, and as what stands between the brackets of a regular expression's class. */
import { CATEGORIES, RUNS, SYMBOLS } from "./table.ts";

/** Ascending and apart: [first, last] each. */
export type Ranges = readonly (readonly [number, number])[];

const LAST = 0x10ffff;

/** Unicode's White_Space, which \s is in the reference implementations; JavaScript's has U+FEFF and lacks U+0085. */
export const WHITE_SPACE: Ranges = union(rangesOf(["Zs", "Zl", "Zp"]), [[0x09, 0x0d], [0x85, 0x85]]);

let runs: { readonly category: string; readonly first: number; readonly last: number }[] | undefined;

function decoded(): NonNullable<typeof runs> {
  let first = 0;
  return runs ??= [...RUNS.matchAll(/([^0-9a-z])([0-9a-z]*)/g)].map(([, symbol, length]) => {
    const last = first + (length === "" ? 1 : Number.parseInt(length, 36)) - 1;
    const run = { category: CATEGORIES[SYMBOLS.indexOf(symbol)], first, last };
    first = last + 1;
    return run;
  });
}

/** The code points of these categories: "Lu", or a whole group as "L"; a name that is neither gives none. */
export function rangesOf(names: readonly string[]): Ranges {
  const ranges: [number, number][] = [];
  for (const { category, first, last } of decoded()) {
    if (!names.includes(category) && !names.includes(category[0])) continue;
    if (ranges.at(-1)?.[1] === first - 1) ranges.at(-1)![1] = last;
    else ranges.push([first, last]);
  }
  return ranges;
}

export function isCategory(name: string): boolean {
  return CATEGORIES.some((category) => category === name || category[0] === name);
}

export function union(...sets: Ranges[]): Ranges {
  const merged: [number, number][] = [];
  for (const [first, last] of sets.flat().sort((a, b) => a[0] - b[0])) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

export function complement(set: Ranges): Ranges {
  const rest: [number, number][] = [];
  let next = 0;
  for (const [first, last] of set) {
    if (first > next) rest.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= LAST) rest.push([next, LAST]);
  return rest;
}

/** The set between brackets, for the flag u. */
export function classBody(set: Ranges): string {
  const point = (code: number): string => `\\u{${code.toString(16)}}`;
  return set.map(([first, last]) => first === last ? point(first) : `${point(first)}-${point(last)}`).join("");
}
