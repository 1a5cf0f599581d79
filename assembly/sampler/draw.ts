import { high, low } from "./weights";

/**
 * Index of the first of n weights at which the running sum exceeds `target`, which lies below the sum of all. Sums are exact,
 * so sixteen are added at once.
 */
export function drawIndex(w: usize, n: i32, target: f64): i32 {
  let c: f64 = 0;
  let i = 0;
  for (; i < n - 16; i += 16) {
    const p = w + (<usize>i << 2);
    const w0 = v128.load(p), w1 = v128.load(p, 16), w2 = v128.load(p, 32), w3 = v128.load(p, 48);
    const s = f64x2.add(
      f64x2.add(f64x2.add(low(w0), high(w0)), f64x2.add(low(w1), high(w1))),
      f64x2.add(f64x2.add(low(w2), high(w2)), f64x2.add(low(w3), high(w3))),
    );
    const next = c + (f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1));
    if (next > target) break;
    c = next;
  }
  for (; i < n - 1; i++) {
    c += load<f32>(w + (<usize>i << 2));
    if (c > target) break;
  }
  return i;
}
