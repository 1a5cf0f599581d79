/** Sixteen partial sums by index modulo 16, then the fixed order. */
export function lanesumReference(x: usize, count: i32): f32 {
  const p = new StaticArray<f32>(16);
  for (let i = 0; i < count; i++) p[i & 15] = p[i & 15] + load<f32>(x + (<usize>i << 2));
  const q = new StaticArray<f32>(4);
  for (let i = 0; i < 4; i++) q[i] = (p[i] + p[4 + i]) + (p[8 + i] + p[12 + i]);
  return (q[0] + q[1]) + (q[2] + q[3]);
}

/** out[width]. `scratch` f32[width]. */
export function layerNormReference(
  out: usize, x: usize, gain: usize, bias: usize, width: i32, epsilon: f32, scratch: usize,
): void {
  const mean: f32 = lanesumReference(x, width) / <f32>width;
  for (let c: usize = 0; c < <usize>width; c++) {
    const d: f32 = load<f32>(x + (c << 2)) - mean;
    store<f32>(scratch + (c << 2), d * d);
  }
  const variance: f32 = lanesumReference(scratch, width) / <f32>width;
  const r: f32 = <f32>1 / sqrt<f32>(variance + epsilon);
  for (let c: usize = 0; c < <usize>width; c++) {
    const d: f32 = load<f32>(x + (c << 2)) - mean;
    store<f32>(out + (c << 2), (d * r) * load<f32>(gain + (c << 2)) + load<f32>(bias + (c << 2)));
  }
}
