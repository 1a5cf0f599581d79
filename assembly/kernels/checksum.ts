// A checksum of 64 bits for saved sequences (docs/FORMATS.md, "Checksum"): against damage, not against whoever forges. Thirty-two lanes of
// 32 bits take a stripe of 128 bytes at a time; every step is a bijection of the lane and of the word, so that one changed word always shows.

const STRIPE: usize = 128;
const PRIME: i32 = 0x9e3779b1;
const MIXER: u64 = 0x9e3779b97f4a7c15;

/** lane = rotl(lane xor word, 13) · PRIME, four lanes. */
// @ts-ignore: decorator
@inline
function round(lanes: v128, words: v128): v128 {
  const x = v128.xor(lanes, words);
  return i32x4.mul(v128.or(i32x4.shl(x, 13), i32x4.shr_u(x, 19)), i32x4.splat(PRIME));
}

/** The vector at x, or zeros from `end` on. */
// @ts-ignore: decorator
@inline
function wordsAt(x: usize, end: usize): v128 { return x < end ? v128.load(x) : i32x4.splat(0); }

// @ts-ignore: decorator
@inline
function mix(state: u64, word: u64): u64 {
  const x = (state ^ word) * MIXER;
  return x ^ (x >> 32);
}

// @ts-ignore: decorator
@inline
function mixVector(state: u64, lanes: v128): u64 { return mix(mix(state, i64x2.extract_lane(lanes, 0)), i64x2.extract_lane(lanes, 1)); }

/** `state` after a piece of `bytes` bytes at `x`, a multiple of 16. The first piece's is 0. */
export function checksum(state: u64, x: usize, bytes: usize): u64 {
  const start = i32x4.splat(PRIME);
  let a = start, b = start, c = start, d = start, e = start, f = start, g = start, i = start;
  const end = x + bytes;
  const whole = x + bytes / STRIPE * STRIPE;
  for (; x < whole; x += STRIPE) {
    a = round(a, v128.load(x)); b = round(b, v128.load(x, 16)); c = round(c, v128.load(x, 32)); d = round(d, v128.load(x, 48));
    e = round(e, v128.load(x, 64)); f = round(f, v128.load(x, 80)); g = round(g, v128.load(x, 96)); i = round(i, v128.load(x, 112));
  }
  if (x < end) {
    a = round(a, wordsAt(x, end)); b = round(b, wordsAt(x + 16, end)); c = round(c, wordsAt(x + 32, end)); d = round(d, wordsAt(x + 48, end));
    e = round(e, wordsAt(x + 64, end)); f = round(f, wordsAt(x + 80, end)); g = round(g, wordsAt(x + 96, end)); i = round(i, wordsAt(x + 112, end));
  }
  state = mix(state, <u64>bytes);
  state = mixVector(mixVector(mixVector(mixVector(state, a), b), c), d);
  return mixVector(mixVector(mixVector(mixVector(state, e), f), g), i);
}
