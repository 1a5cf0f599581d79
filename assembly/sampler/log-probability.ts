import { exp4 } from "../kernels/exp";
import { maxOf } from "./argmax";
import { log } from "./log";
import { high, low } from "./weights";

/** log p of a token under the logits themselves, nats. f64; the sum runs ascending by id (docs/NUMERICS.md). */
export function logProbabilityOf(logits: usize, vocab: i32, id: i32): f64 {
  const m = <f64>maxOf(logits, vocab);
  return (<f64>load<f32>(logits + (<usize>id << 2)) - m) - logSum(logits, vocab, m);
}

/**
 * The `count` likeliest tokens, 1 … vocab, in their order; of equal logits the lower id comes first. At `out`: log p, f64[count], as logProbabilityOf has
 * them, then the ids, u32[count].
 */
export function likeliestOf(logits: usize, vocab: i32, count: i32, out: usize): void {
  const ids = out + (<usize>count << 3);
  let held = 0;
  for (let id = 0; id < vocab; id++) {
    const logit = load<f32>(logits + (<usize>id << 2));
    let at = held;
    while (at > 0 && load<f32>(logits + (<usize>load<u32>(ids + (<usize>(at - 1) << 2)) << 2)) < logit) at--;
    if (at == count) continue;
    if (held < count) held++;
    for (let i = held - 1; i > at; i--) store<u32>(ids + (<usize>i << 2), load<u32>(ids + (<usize>(i - 1) << 2)));
    store<u32>(ids + (<usize>at << 2), id);
  }
  const m = <f64>maxOf(logits, vocab);
  const sum = logSum(logits, vocab, m);
  for (let i = 0; i < count; i++) {
    store<f64>(out + (<usize>i << 3), (<f64>load<f32>(logits + (<usize>load<u32>(ids + (<usize>i << 2)) << 2)) - m) - sum);
  }
}

/** log Σ exp(l − m), m being the largest logit. */
function logSum(logits: usize, vocab: i32, m: f64): f64 {
  const whole = <usize>(vocab & ~3) << 2;
  const largest = f64x2.splat(m);
  let sum: f64 = 0;
  for (let i: usize = 0; i < whole; i += 16) {
    const e = exponentials(logits + i, largest);
    sum += f32x4.extract_lane(e, 0);
    sum += f32x4.extract_lane(e, 1);
    sum += f32x4.extract_lane(e, 2);
    sum += f32x4.extract_lane(e, 3);
  }
  if (vocab & 3) {
    const e = exponentials(logits + whole, largest);
    sum += f32x4.extract_lane(e, 0);
    if ((vocab & 3) > 1) sum += f32x4.extract_lane(e, 1);
    if ((vocab & 3) > 2) sum += f32x4.extract_lane(e, 2);
  }
  return log(sum);
}

/** exp(round32(l − M)) of four logits. */
// @ts-ignore: decorator
@inline
function exponentials(logits: usize, largest: v128): v128 {
  const l = v128.load(logits);
  const a = f32x4.demote_f64x2_zero(f64x2.sub(low(l), largest));
  const b = f32x4.demote_f64x2_zero(f64x2.sub(high(l), largest));
  return exp4(v128.shuffle<i64>(a, b, 0, 2));
}
