// Buffers with guards, random numbers, comparisons of bits.

/** Bytes of guard on each side of a buffer. */
const GUARD: usize = 128;
const FILL: u8 = 0xaa;

/** `bytes` of memory at a multiple of 64, between guards of 0xaa; itself filled with 0xaa as well. */
export function buffer(bytes: usize): usize {
  const start = (heap.alloc(bytes + 2 * GUARD + 64) + 63) & ~63;
  memory.fill(start, FILL, bytes + 2 * GUARD);
  return start + GUARD;
}

/** The same, filled with +0. */
export function zeros(bytes: usize): usize {
  const p = buffer(bytes);
  memory.fill(p, 0, bytes);
  return p;
}

/** Whether nobody wrote within GUARD bytes before or behind. */
export function guarded(p: usize, bytes: usize): bool {
  return untouched(p - GUARD, GUARD) && untouched(p + bytes, GUARD);
}

/** Whether these bytes are still as `buffer` left them. */
export function untouched(p: usize, bytes: usize): bool {
  for (let i: usize = 0; i < bytes; i++) if (load<u8>(p + i) != FILL) return false;
  return true;
}

/** Index of the first of `count` 32-bit words that differ, −1 if none does. */
export function difference(x: usize, y: usize, count: usize): i32 {
  for (let i: usize = 0; i < count; i++) {
    if (load<u32>(x + (i << 2)) != load<u32>(y + (i << 2))) return <i32>i;
  }
  return -1;
}

let state: u32 = 1;

/** The sequence begins again: every test has its own numbers. */
export function seed(value: u32): void {
  state = value;
}

/** 32 random bits: an LCG whose weak low bits a multiplication hides. */
export function bits(): u32 {
  state = state * 1664525 + 1013904223;
  return (state ^ (state >>> 15)) * 0x2c1b3c6d;
}

/** An integer in [0, n). */
export function below(n: u32): u32 {
  return <u32>((<u64>bits() * n) >> 32);
}

/** Uniform in (−scale, scale), all 24 bits in use. */
export function random(scale: f32): f32 {
  return (<f32>(<i32>bits() >> 7) * <f32>(1.0 / 16777216.0)) * scale;
}

/** count random f32 at p. */
export function randomize(p: usize, count: usize, scale: f32): void {
  for (let i: usize = 0; i < count; i++) store<f32>(p + (i << 2), random(scale));
}

/** A buffer of `count` random f32. */
export function randoms(count: usize, scale: f32): usize {
  const p = buffer(count << 2);
  randomize(p, count, scale);
  return p;
}

/** The same with +0 from `count` up to `padded` elements. */
export function paddedRandoms(count: usize, padded: usize, scale: f32): usize {
  const p = zeros(padded << 2);
  randomize(p, count, scale);
  return p;
}

export function copy(x: usize, bytes: usize): usize {
  const p = buffer(bytes);
  memory.copy(p, x, bytes);
  return p;
}

/** How far x is from the true value, in units in the last place of the true value rounded to f32. */
export function ulps(x: f32, truth: f64): f64 {
  const rounded = Math.abs(<f64><f32>truth);
  const exponent = max<i32>(<i32>(reinterpret<u32>(<f32>rounded) >>> 23), 1) - 150;
  return Math.abs(<f64>x - truth) / reinterpret<f64>(<u64>(exponent + 1023) << 52);
}
