/** Sets of bytes, as ranges that ascend and do not touch. */
import type { ByteRange } from "./store.ts";

/** The same bytes as any ranges, in any order, overlapping or not. */
export function merged(ranges: Iterable<ByteRange>): ByteRange[] {
  const sorted = [...ranges].filter(({ begin, end }) => begin < end).sort((a, b) => a.begin - b.begin);
  const result: { begin: number; end: number }[] = [];
  for (const { begin, end } of sorted) {
    const last = result.at(-1);
    if (last !== undefined && begin <= last.end) last.end = Math.max(last.end, end);
    else result.push({ begin, end });
  }
  return result;
}

/** What of [0, size) is in none of the merged `ranges`. */
export function missing(ranges: readonly ByteRange[], size: number): ByteRange[] {
  const result: ByteRange[] = [];
  let at = 0;
  for (const { begin, end } of ranges) {
    if (begin > at) result.push({ begin: at, end: begin });
    at = end;
  }
  if (at < size) result.push({ begin: at, end: size });
  return result;
}

export function byteCount(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);
}

/** What of `ranges` is in `limits`. */
export function within(ranges: readonly ByteRange[], limits: ByteRange): ByteRange[] {
  return ranges.map(({ begin, end }) => ({ begin: Math.max(begin, limits.begin), end: Math.min(end, limits.end) })).filter(({ begin, end }) => begin < end);
}
