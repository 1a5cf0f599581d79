import { findCrossing } from "./crossing";
import { distancesOf, histogramOf, idAt, idsOf, padded, positionsOf, weightsOf } from "./scratch";
import { padDistances, sumWeights } from "./weights";

// Steps 7 to 10 of "Choosing a token" in docs/NUMERICS.md. Each takes a list of n tokens in scratch, leaves those it keeps in
// their order, and returns how many.

/** The k nearest and every tie with the k-th. Weights are not there yet: they cost more than this. 0 < k < n. */
export function keepTopK(scratch: usize, vocab: i32, n: i32, k: i32): i32 {
  const y = distancesOf(scratch);
  const last = findCrossing(y, 0, n, k, 0, histogramOf(scratch, vocab), positionsOf(scratch, vocab));
  return keepNear(scratch, vocab, n, load<f64>(y + (<usize>last << 3)), n);
}

/**
 * Removed from the unlikely end while the removed sum is ≤ (1 − p) · total. Seen from the likely end: the last to stay is the
 * first at which no more than that is left. Among equals a lower id counts as likelier.
 */
export function keepTopP(scratch: usize, vocab: i32, n: i32, p: f64, total: f64): i32 {
  const y = distancesOf(scratch);
  const last = findCrossing(
    y, weightsOf(scratch, vocab), n, total, (1 - p) * total, histogramOf(scratch, vocab), positionsOf(scratch, vocab),
  );
  return keepNear(scratch, vocab, n, load<f64>(y + (<usize>last << 3)), last);
}

/** w ≥ μ · the largest weight, which is exp(0) = 1: the best token is in every list so far. */
export function keepMinP(scratch: usize, vocab: i32, n: i32, minP: f64): i32 {
  // The least f32 that is not below μ.
  let least = <f32>minP;
  if (<f64>least < minP) least = reinterpret<f32>(reinterpret<u32>(least) + 1);
  return keepHeavy(scratch, vocab, n, least);
}

/** Tokens whose information is nearest to the entropy. Overwrites distances: nothing reads them after this. */
export function keepTypical(scratch: usize, vocab: i32, n: i32, mass: f64): i32 {
  n = keepHeavy(scratch, vocab, n, f32.MIN_VALUE);
  const y = distancesOf(scratch), w = weightsOf(scratch, vocab);
  const total = sumWeights(w, n);
  let entropy: f64 = 0; // less the logarithm of the total
  for (let i: usize = 0; i < <usize>n; i++) entropy += <f64>load<f32>(w + (i << 2)) * load<f64>(y + (i << 3));
  entropy /= total;
  const h = f64x2.splat(entropy);
  const bytes = padded(n) << 3;
  for (let i: usize = 0; i < bytes; i += 16) v128.store(y + i, f64x2.abs(f64x2.sub(v128.load(y + i), h)));
  padDistances(y, n);
  // A mass of 0 is reached by the first entry, not before it.
  const wanted = max(mass, f64.MIN_NORMAL_VALUE) * total;
  const last = findCrossing(y, w, n, wanted, 0, histogramOf(scratch, vocab), positionsOf(scratch, vocab));
  return keepNear(scratch, vocab, n, load<f64>(y + (<usize>last << 3)), n);
}

/** Keeps y < limit, and of y = limit the entries up to index `last`. */
function keepNear(scratch: usize, vocab: i32, n: i32, limit: f64, last: i32): i32 {
  const y = distancesOf(scratch);
  const bound = f64x2.splat(limit);
  let kept = 0;
  for (let i = 0; i < n; i += 4) {
    const p = y + (<usize>i << 3);
    if (!v128.any_true(v128.or(f64x2.le(v128.load(p), bound), f64x2.le(v128.load(p, 16), bound)))) continue;
    const end = min(i + 4, n);
    for (let j = i; j < end; j++) {
      const distance = load<f64>(y + (<usize>j << 3));
      move(scratch, vocab, n, j, kept);
      kept += i32(distance < limit) | (i32(distance == limit) & i32(j <= last));
    }
  }
  return close(scratch, vocab, kept);
}

/** Keeps w ≥ least. */
function keepHeavy(scratch: usize, vocab: i32, n: i32, least: f32): i32 {
  const w = weightsOf(scratch, vocab);
  const bound = f32x4.splat(least);
  let kept = 0;
  for (let i = 0; i < n; i += 4) {
    if (!v128.any_true(f32x4.ge(v128.load(w + (<usize>i << 2)), bound))) continue;
    const end = min(i + 4, n);
    for (let j = i; j < end; j++) {
      const weight = load<f32>(w + (<usize>j << 2));
      move(scratch, vocab, n, j, kept);
      kept += i32(weight >= least);
    }
  }
  return close(scratch, vocab, kept);
}

/**
 * Copies entry `from` to place `to` ≤ from. The caller does that for every entry and then counts only those that are kept: the copy of one
 * that is not is overwritten by the next. A branch would cost more, for the processor cannot predict which entries are kept.
 */
// @ts-ignore: decorator
@inline
function move(scratch: usize, vocab: i32, n: i32, from: i32, to: i32): void {
  const y = distancesOf(scratch), w = weightsOf(scratch, vocab);
  store<i32>(idsOf(scratch, vocab) + (<usize>to << 2), idAt(scratch, vocab, n, from));
  store<f64>(y + (<usize>to << 3), load<f64>(y + (<usize>from << 3)));
  store<u32>(w + (<usize>to << 2), load<u32>(w + (<usize>from << 2)));
}

/** Pads a list of n again. */
function close(scratch: usize, vocab: i32, n: i32): i32 {
  padDistances(distancesOf(scratch), n);
  const w = weightsOf(scratch, vocab);
  const end = padded(n);
  for (let i = <usize>n; i < end; i++) store<f32>(w + (i << 2), 0);
  return n;
}
