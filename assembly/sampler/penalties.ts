import { padded } from "./scratch";

// Steps 1 to 4 of "Choosing a token" in docs/NUMERICS.md, in binary64, and how often each token is in the history.
//
//   x       f64[P]      P = vocab rounded up to a multiple of 16
//   counts  u32[P]      n_v, +0 beyond vocab

/** x_v = l_v, widened. */
export function widenLogits(x: usize, logits: usize, vocab: i32): void {
  const count = padded(vocab);
  for (let i: usize = 0; i < count; i += 4) {
    const p = logits + (i << 2), to = x + (i << 3);
    v128.store(to, f64x2.promote_low_f32x4(v128.load64_zero(p)));
    v128.store(to, f64x2.promote_low_f32x4(v128.load64_zero(p, 8)), 16);
  }
}

/** x_v = x_v + bias_v for the `count` ids that have one. */
export function addBias(x: usize, ids: usize, values: usize, count: u32): void {
  for (let i: usize = 0; i < count; i++) {
    const at = x + (<usize>load<u32>(ids + (i << 2)) << 3);
    store<f64>(at, load<f64>(at) + load<f64>(values + (i << 3)));
  }
}

/** Repetition, presence and frequency penalties of each token that occurred. */
export function penalize(x: usize, counts: usize, vocab: i32, repetition: f64, presence: f64, frequency: f64): void {
  const count = padded(vocab);
  const additive = presence != 0 || frequency != 0;
  for (let i: usize = 0; i < count; i += 4) {
    if (!v128.any_true(v128.load(counts + (i << 2)))) continue;
    for (let v = i; v < i + 4; v++) {
      const n = load<u32>(counts + (v << 2));
      if (n == 0) continue;
      let y = load<f64>(x + (v << 3));
      if (repetition != 1) y = y < 0 ? y * repetition : y / repetition;
      if (additive) y = y - (<f64>n * frequency + presence);
      store<f64>(x + (v << 3), y);
    }
  }
}

/** Keeps differences finite, whatever bias and penalties are: ±1e300 at most; NaN counts as the lowest. */
export function clampValues(x: usize, vocab: i32): void {
  const bytes = padded(vocab) << 3;
  const lowest = f64x2.splat(-1e300), highest = f64x2.splat(1e300);
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(x + i, f64x2.pmin(highest, f64x2.pmax(lowest, v128.load(x + i)))); // this operand order replaces NaN
  }
}

/** max x_v, what lies beyond vocab left out. */
export function maxOfValues(x: usize, vocab: i32): f64 {
  const whole = <usize>(vocab & ~15) << 3;
  const end = <usize>vocab << 3;
  let m0 = v128.load64_splat(x), m1 = m0, m2 = m0, m3 = m0;
  for (let i: usize = 0; i < whole; i += 64) {
    const p = x + i;
    m0 = f64x2.pmax(m0, v128.load(p)); m1 = f64x2.pmax(m1, v128.load(p, 16));
    m2 = f64x2.pmax(m2, v128.load(p, 32)); m3 = f64x2.pmax(m3, v128.load(p, 48));
  }
  m0 = f64x2.pmax(f64x2.pmax(m0, m1), f64x2.pmax(m2, m3));
  let m = max(f64x2.extract_lane(m0, 0), f64x2.extract_lane(m0, 1));
  for (let i = whole; i < end; i += 8) m = max(m, load<f64>(x + i));
  return m;
}

/** The lowest v with x_v = `value`. */
export function firstEqual(x: usize, vocab: i32, value: f64): i32 {
  for (let v = 0; v < vocab; v++) {
    if (load<f64>(x + (<usize>v << 3)) == value) return v;
  }
  return 0;
}

/** n_v of `n` more tokens. */
export function countIds(counts: usize, ids: usize, n: u32): void {
  for (let i: usize = 0; i < n; i++) {
    const at = counts + (<usize>load<u32>(ids + (i << 2)) << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
}

/** Makes the counters of these ids 0 again: cheaper than clearing them all. */
export function clearIds(counts: usize, ids: usize, n: u32): void {
  for (let i: usize = 0; i < n; i++) store<u32>(counts + (<usize>load<u32>(ids + (i << 2)) << 2), 0);
}
