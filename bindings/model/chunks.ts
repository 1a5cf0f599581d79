import type { Arena } from "./arena.ts";

// How many tokens of a prompt a step takes. That follows from how long the steps before took, and is not computed from the time of one token:
// a step costs reading all weights once, however few tokens it has.

/** Most tokens of a chunk. */
export const MOST_TOKENS = 64;

/** How long a chunk should take: of the 50 ms that are promised, for a busy machine may need longer than the last time. */
const TARGET_MS = 35;

/** Multiply-adds a second that a machine with SIMD does before the engine has optimised the code; the first chunk's size rests on it. */
const LOW_SPEED = 2e9;

/** Tokens of the next chunk, after one of `size` tokens (or of `rows`, where no more were left) took `milliseconds`. */
export function nextSize(size: number, rows: number, milliseconds: number, most: number): number {
  if (milliseconds > TARGET_MS) return Math.max(1, Math.min(size, paired(Math.floor((rows * TARGET_MS) / milliseconds))));
  // A short rest says little; and a clock that stands still while code runs, as on edge runtimes, says nothing.
  if (rows < size || milliseconds <= 0) return size;
  return Math.min(most, milliseconds < TARGET_MS / 2 ? size * 2 : milliseconds < TARGET_MS * 0.8 ? paired(size + 2) : size);
}

/** The kernels take rows in pairs. */
function paired(size: number): number {
  return size > 1 ? size & ~1 : size;
}

export function firstSize({ config, maxRows }: Arena): number {
  const { n_layer, n_embd, n_inner } = config;
  const milliseconds = ((n_layer * n_embd * (4 * n_embd + 2 * n_inner)) / LOW_SPEED) * 1000;
  return Math.max(1, Math.min(paired(Math.floor(TARGET_MS / milliseconds)), MOST_TOKENS, maxRows));
}
