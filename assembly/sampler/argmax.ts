// The largest of a row of logits, f32[vocab], 16-byte aligned. The row is padded with +0, which is no token: whole blocks of
// sixteen go through vectors, the rest one by one. The order of a maximum cannot show, but for the sign of a zero.

/** max of logits; a maximum of −0 and +0 may come out as either. */
export function maxOf(logits: usize, vocab: i32): f32 {
  const whole = <usize>(vocab & ~15) << 2;
  const end = <usize>vocab << 2;
  let m0 = v128.load32_splat(logits), m1 = m0, m2 = m0, m3 = m0;
  for (let i: usize = 0; i < whole; i += 64) {
    const p = logits + i;
    m0 = f32x4.pmax(m0, v128.load(p)); m1 = f32x4.pmax(m1, v128.load(p, 16));
    m2 = f32x4.pmax(m2, v128.load(p, 32)); m3 = f32x4.pmax(m3, v128.load(p, 48));
  }
  m0 = f32x4.pmax(f32x4.pmax(m0, m1), f32x4.pmax(m2, m3));
  let m = max(
    max(f32x4.extract_lane(m0, 0), f32x4.extract_lane(m0, 1)), max(f32x4.extract_lane(m0, 2), f32x4.extract_lane(m0, 3)),
  );
  for (let i = whole; i < end; i += 4) m = max(m, load<f32>(logits + i));
  return m;
}

/** The lowest id with the largest logit; −0 equals +0. */
export function argmaxOf(logits: usize, vocab: i32): i32 {
  const m = maxOf(logits, vocab);
  const whole = <usize>(vocab & ~15) << 2;
  const end = <usize>vocab << 2;
  const wanted = f32x4.splat(m);
  let i: usize = 0;
  for (; i < whole; i += 64) {
    const p = logits + i;
    const here = v128.or(
      v128.or(f32x4.eq(v128.load(p), wanted), f32x4.eq(v128.load(p, 16), wanted)),
      v128.or(f32x4.eq(v128.load(p, 32), wanted), f32x4.eq(v128.load(p, 48), wanted)),
    );
    if (v128.any_true(here)) break;
  }
  while (i < end && load<f32>(logits + i) != m) i += 4;
  return <i32>(i < end ? i >>> 2 : 0); // always found, but for NaN, which the caller has kept out
}
