// What the sampler works on: the kept tokens as a list, ascending by id, in arrays that lie one after another. P = vocab
// rounded up to a multiple of 16.
//
//   distances  f64[P]     y_v = (M − x_v) / temperature = −z_v ≥ +0: how far below the best; before that, x_v
//   weights    f32[P]     w_v
//   ids        u32[P]     while all are kept (n = vocab) the list is the vocabulary, and ids are not written
//   positions  u32[P]     candidates of a search
//   histogram  f64[BUCKETS]
//
// Distances and weights beyond the list's end, up to the next multiple of 16, hold FAR and +0, so loops take whole vectors.

/** A distance so large that its weight is +0. */
export const FAR: f64 = 1e9;

export const BUCKETS: i32 = 2048;

// @ts-ignore: decorator
@inline
export function padded(n: i32): usize {
  return (<usize>n + 15) & ~15;
}

/** Bytes of scratch for a vocabulary; it must begin at a multiple of 16. */
export function samplerScratchBytes(vocab: u32): u64 {
  return ((<u64>vocab + 15) & ~15) * 20 + <u64>BUCKETS * 8;
}

// @ts-ignore: decorator
@inline
export function distancesOf(scratch: usize): usize {
  return scratch;
}

// @ts-ignore: decorator
@inline
export function weightsOf(scratch: usize, vocab: i32): usize {
  return scratch + padded(vocab) * 8;
}

// @ts-ignore: decorator
@inline
export function idsOf(scratch: usize, vocab: i32): usize {
  return scratch + padded(vocab) * 12;
}

// @ts-ignore: decorator
@inline
export function positionsOf(scratch: usize, vocab: i32): usize {
  return scratch + padded(vocab) * 16;
}

// @ts-ignore: decorator
@inline
export function histogramOf(scratch: usize, vocab: i32): usize {
  return scratch + padded(vocab) * 20;
}

/** The id of entry `index` of a list of n. */
// @ts-ignore: decorator
@inline
export function idAt(scratch: usize, vocab: i32, n: i32, index: i32): i32 {
  return n == vocab ? index : load<i32>(idsOf(scratch, vocab) + (<usize>index << 2));
}
