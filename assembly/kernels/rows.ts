// Additions over rows. A linear layer's bias is added here, by whoever reads its sums.

/** x[rows][stride] += y[rows][stride] + bias. `bytes`: of the padded row, a multiple of 16; bias is padded with +0. */
export function addResidual(x: usize, y: usize, bias: usize, stride: usize, rows: usize, bytes: usize): void {
  for (let r: usize = 0; r < rows; r++) addResidualRow(x + r * stride, y + r * stride, bias, bytes);
}

export function addResidualRow(x: usize, y: usize, bias: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(x + i, f32x4.add(v128.load(x + i), f32x4.add(v128.load(y + i), v128.load(bias + i))));
  }
}

/** out[0 … count−1] = x + y, any alignment, nothing beyond `count` written. */
export function addVectors(out: usize, x: usize, y: usize, count: usize): void {
  const bytes = count << 2;
  const whole = bytes & ~15;
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, f32x4.add(v128.load(x + i), v128.load(y + i)));
  for (let i = whole; i < bytes; i += 4) store<f32>(out + i, load<f32>(x + i) + load<f32>(y + i));
}

/** 1 if x + y is finite in each of `count` places; any alignment. */
export function sumsAreFinite(x: usize, y: usize, count: usize): i32 {
  const end = count << 2;
  const whole = end & ~15;
  const exponent = i32x4.splat(0x7f800000);
  let bad = i32x4.splat(0);
  for (let i: usize = 0; i < whole; i += 16) {
    bad = v128.or(bad, i32x4.eq(v128.and(f32x4.add(v128.load(x + i), v128.load(y + i)), exponent), exponent));
  }
  let fine = !v128.any_true(bad);
  for (let i = whole; i < end; i += 4) {
    if (!isFinite<f32>(load<f32>(x + i) + load<f32>(y + i))) fine = false;
  }
  return i32(fine);
}

/** 1 if every one of `count` f32 at `x` (16-byte aligned, padded with +0 to a multiple of 16 bytes) is finite. */
export function allFinite(x: usize, count: usize): i32 {
  const end = x + (((count << 2) + 15) & ~15);
  const whole = x + ((end - x) & ~63);
  const magnitude = i32x4.splat(0x7fffffff);
  let a = i32x4.splat(0), b = a, c = a, d = a; // as integers, magnitudes are in the order of their values, and infinity and NaN come last
  for (; x < whole; x += 64) {
    a = i32x4.max_u(a, v128.and(v128.load(x), magnitude)); b = i32x4.max_u(b, v128.and(v128.load(x, 16), magnitude));
    c = i32x4.max_u(c, v128.and(v128.load(x, 32), magnitude)); d = i32x4.max_u(d, v128.and(v128.load(x, 48), magnitude));
  }
  for (; x < end; x += 16) a = i32x4.max_u(a, v128.and(v128.load(x), magnitude));
  const largest = i32x4.max_u(i32x4.max_u(a, b), i32x4.max_u(c, d));
  return i32(!v128.any_true(i32x4.ge_u(largest, i32x4.splat(0x7f800000))));
}
