import { BUCKETS } from "./scratch";

// One search for top-k, top-p and typical-p: entries in order of ascending key, a running sum c of their weights; which
// entry is the first with `total − c ≤ slack`? Sums are exact (docs/NUMERICS.md), so the weights of a whole bucket may be
// added in any order and only the bucket with the crossing is looked into: O(n), without a sort, on equal keys too.
//
//   keys       f64[n]        ≥ +0, so that their bits are in the same order; padded to a multiple of 16
//   weights    f32[n]        or 0: every entry weighs 1
//   histogram  f64[BUCKETS]  scratch
//   positions  u32[n]        scratch

/** Buckets of the first pass are this fine: 2048 of them reach to 32, where weights have long been +0. */
const PER_UNIT: f64 = 64;
/** Its unit in the last place is 1 / PER_UNIT: 1.5 · 2⁵² / 64. */
const MAGIC: f64 = 105553116266496;

/**
 * Index of the crossing entry; among equal keys the lowest index comes first. `total − Σ weights ≤ slack` must hold; and where
 * it holds before the first entry (p = 0), so that the nearest entry is meant, that one must have a weight.
 */
export function findCrossing(
  keys: usize, weights: usize, n: i32, total: f64, slack: f64, histogram: usize, positions: usize,
): i32 {
  memory.fill(histogram, 0, BUCKETS << 3);
  if (weights) addWeights(histogram, keys, weights, n);
  else addCounts(histogram, keys, n);
  const bucket = crossingBucket(histogram, 0, total, slack);
  let c = sumBefore(histogram, 0, bucket);
  let m = collect(positions, keys, n, bucket);
  if (m == 0) return n - 1; // not reached while the condition above holds

  // Buckets of equal width over the bits of the keys that are left: each turn divides their range by at least 1024.
  while (true) {
    let lowest = u64.MAX_VALUE, highest: u64 = 0;
    for (let j = 0; j < m; j++) {
      const key = keyAt(keys, positions, j);
      lowest = min(lowest, key);
      highest = max(highest, key);
    }
    if (lowest == highest) break;
    const shift = max<u64>(11, 64 - clz(highest - lowest)) - 11;
    memory.fill(histogram, 0, BUCKETS << 3);
    for (let j = 0; j < m; j++) {
      const at = histogram + (<usize>((keyAt(keys, positions, j) - lowest) >> shift) << 3);
      store<f64>(at, load<f64>(at) + weightAt(weights, positions, j));
    }
    const chosen = crossingBucket(histogram, c, total, slack);
    c = sumBefore(histogram, c, chosen);
    let left = 0;
    for (let j = 0; j < m; j++) {
      if (<i32>((keyAt(keys, positions, j) - lowest) >> shift) != chosen) continue;
      store<u32>(positions + (<usize>left << 2), load<u32>(positions + (<usize>j << 2)));
      left++;
    }
    if (left == 0) break;
    m = left;
  }
  let j = 0;
  for (; j < m - 1; j++) {
    c += weightAt(weights, positions, j);
    if (total - c <= slack) break;
  }
  return load<i32>(positions + (<usize>j << 2));
}

/** The first bucket that is not empty and at whose end `total − c ≤ slack`, c being the running sum from `c` on. */
function crossingBucket(histogram: usize, c: f64, total: f64, slack: f64): i32 {
  for (let b = 0; b < BUCKETS - 1; b++) {
    const weight = load<f64>(histogram + (<usize>b << 3));
    c += weight;
    if (weight > 0 && total - c <= slack) return b;
  }
  return BUCKETS - 1;
}

/** c and what the buckets before `bucket` hold. */
function sumBefore(histogram: usize, c: f64, bucket: i32): f64 {
  for (let b = 0; b < bucket; b++) c += load<f64>(histogram + (<usize>b << 3));
  return c;
}

// @ts-ignore: decorator
@inline
function keyAt(keys: usize, positions: usize, j: i32): u64 {
  return load<u64>(keys + (<usize>load<u32>(positions + (<usize>j << 2)) << 3));
}

// @ts-ignore: decorator
@inline
function weightAt(weights: usize, positions: usize, j: i32): f64 {
  return weights ? <f64>load<f32>(weights + (<usize>load<u32>(positions + (<usize>j << 2)) << 2)) : 1;
}

/** Key to bucket, for two keys: adding MAGIC rounds to the bucket's number, which is then in the low bits. Monotone. */
// @ts-ignore: decorator
@inline
function buckets2(key: v128): v128 {
  return f64x2.add(f64x2.pmin(key, f64x2.splat(<f64>(BUCKETS - 1) / PER_UNIT)), f64x2.splat(MAGIC));
}

// @ts-ignore: decorator
@inline
function add(histogram: usize, bucket: i64, weight: f64): void {
  const at = histogram + (<usize><u32>bucket << 3);
  store<f64>(at, load<f64>(at) + weight);
}

function addWeights(histogram: usize, keys: usize, weights: usize, n: i32): void {
  const even = <usize>n & ~1;
  for (let i: usize = 0; i < even; i += 2) {
    const b = buckets2(v128.load(keys + (i << 3)));
    const w = f64x2.promote_low_f32x4(v128.load64_zero(weights + (i << 2)));
    add(histogram, i64x2.extract_lane(b, 0), f64x2.extract_lane(w, 0));
    add(histogram, i64x2.extract_lane(b, 1), f64x2.extract_lane(w, 1));
  }
  if (n & 1) add(histogram, i64x2.extract_lane(buckets2(v128.load(keys + (even << 3))), 0), load<f32>(weights + (even << 2)));
}

function addCounts(histogram: usize, keys: usize, n: i32): void {
  const even = <usize>n & ~1;
  for (let i: usize = 0; i < even; i += 2) {
    const b = buckets2(v128.load(keys + (i << 3)));
    add(histogram, i64x2.extract_lane(b, 0), 1);
    add(histogram, i64x2.extract_lane(b, 1), 1);
  }
  if (n & 1) add(histogram, i64x2.extract_lane(buckets2(v128.load(keys + (even << 3))), 0), 1);
}

/** The entries of a bucket of the first pass, ascending; returns how many. Most vectors hold none. */
function collect(positions: usize, keys: usize, n: i32, bucket: i32): i32 {
  const wanted = f64x2.splat(MAGIC + <f64>bucket / PER_UNIT);
  let m = 0;
  for (let i = 0; i < n; i += 4) {
    const p = keys + (<usize>i << 3);
    const a = f64x2.eq(buckets2(v128.load(p)), wanted), b = f64x2.eq(buckets2(v128.load(p, 16)), wanted);
    if (!v128.any_true(v128.or(a, b))) continue;
    const here = i64x2.bitmask(a) | (i64x2.bitmask(b) << 2);
    for (let j = 0; j < 4; j++) {
      if (((here >> j) & 1) == 0 || i + j >= n) continue;
      store<i32>(positions + (<usize>m << 2), i + j);
      m++;
    }
  }
  return m;
}
