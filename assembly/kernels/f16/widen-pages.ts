import { widen } from "./matmul";

// Where many rows attend to a binary16 cache, a head's pages are widened once and the f32 tiles serve all rows. What stands in
// the pages then is what matmul.ts has in its registers, 2⁻¹¹² of the values: the same products, so the same bits.

/** Rows of a step from which that is faster. */
export const WIDEN_ROWS: i32 = 6;

/**
 * out f32[pageCount][elements] = those pages' binary16[elements] (a multiple of 8), as panels of f32. `from`: in page 0; pages lie
 * `pageBytes` apart.
 */
export function widenPages(out: usize, pages: usize, pageCount: usize, from: usize, pageBytes: usize, elements: usize): void {
  for (let i: usize = 0; i < pageCount; i++, out += elements << 2) {
    widenPage(out, from + <usize>load<u32>(pages + (i << 2)) * pageBytes, elements << 1);
  }
}

function widenPage(out: usize, from: usize, bytes: usize): void {
  for (const end = from + bytes; from < end; from += 16, out += 32) {
    v128.store(out, widen(v128.load(from)));
    v128.store(out, widen(v128.load(from - 2)), 16);
  }
}
