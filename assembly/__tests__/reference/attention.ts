import { expReference } from "./elementary";
import { lanesumReference } from "./layer-norm";

/** The maximum, the exponentials in place, their lane sum. scores[count] are scaled already. */
export function softmaxReference(scores: usize, count: i32): f32 {
  let m = load<f32>(scores);
  for (let i = 1; i < count; i++) m = max(m, load<f32>(scores + (<usize>i << 2)));
  for (let i = 0; i < count; i++) {
    const d: f32 = load<f32>(scores + (<usize>i << 2)) - m;
    store<f32>(scores + (<usize>i << 2), d >= -64 ? expReference(d) : 0);
  }
  return lanesumReference(scores, count);
}

/**
 * One head of one row by docs/NUMERICS.md, over plain arrays: k and v f32[count][width], the head's columns at k and v already.
 * out f32[size], q f32[size], scores f32[count] (the exponentials are left there). Returns the divisor.
 */
export function attendReference(
  out: usize, q: usize, k: usize, v: usize, width: usize, count: i32, size: usize, scale: f32, scores: usize,
): f32 {
  for (let i: usize = 0; i < <usize>count; i++) {
    let s: f32 = 0;
    for (let d: usize = 0; d < size; d++) s = s + load<f32>(q + (d << 2)) * load<f32>(k + ((i * width + d) << 2));
    store<f32>(scores + (i << 2), s * scale);
  }
  const sum = softmaxReference(scores, count);
  for (let d: usize = 0; d < size; d++) {
    let o: f32 = 0;
    for (let i: usize = 0; i < <usize>count; i++) {
      o = o + load<f32>(scores + (i << 2)) * load<f32>(v + ((i * width + d) << 2));
    }
    store<f32>(out + (d << 2), o / sum);
  }
  return sum;
}
