/**
 * The limits of this machine that kvasm's speeds are shares of. Compiled to dist/roofline.wasm, a module of its own: it
 * has a memory of its own, so that reading is done from main memory, never from what a model has just brought into a cache.
 */

/** Operations of one turn of `peak`: 12 chains, 4 lanes, a multiplication and an addition. */
export const PEAK_STEP: i32 = 96;
/** Operations of one turn of `dotPeak`: 12 chains, 8 products, each of them added. */
export const DOT_PEAK_STEP: i32 = 192;

/** Regions are multiples of this many bytes: four quarters of whole cache lines. */
export const READ_STEP: i32 = 256;

/**
 * Reads `bytes` (a multiple of READ_STEP) from `base` on, as two streams half a region apart: two open rows of memory, two
 * prefetchers at work. The values are combined by the cheapest operation that takes its operand from memory, and returned,
 * so that no load can be dropped.
 *
 * Which of read2 and read4 is the fastest loop depends on the processor: 4 streams by 5 % on Zen 4, 2 by 5 % on Zen 5. One stream
 * was 10–20 % slower, six never faster, twelve far slower; 32, 64 or 128 bytes of each stream a turn make no difference.
 */
export function read2(base: usize, bytes: usize): i32 {
  let p0 = base;
  let p1 = p0 + (bytes >> 1);
  const end = p1;
  let a = i32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  while (p0 < end) {
    a = v128.xor(a, v128.load(p0));
    b = v128.xor(b, v128.load(p1));
    c = v128.xor(c, v128.load(p0, 16));
    d = v128.xor(d, v128.load(p1, 16));
    a = v128.xor(a, v128.load(p0, 32));
    b = v128.xor(b, v128.load(p1, 32));
    c = v128.xor(c, v128.load(p0, 48));
    d = v128.xor(d, v128.load(p1, 48));
    p0 += 64;
    p1 += 64;
  }
  return fold(a, b, c, d);
}

/** The same as four streams a quarter of the region apart. */
export function read4(base: usize, bytes: usize): i32 {
  const quarter = bytes >> 2;
  let p0 = base;
  let p1 = p0 + quarter;
  let p2 = p1 + quarter;
  let p3 = p2 + quarter;
  const end = p1;
  let a = i32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  while (p0 < end) {
    a = v128.xor(a, v128.load(p0));
    b = v128.xor(b, v128.load(p1));
    c = v128.xor(c, v128.load(p2));
    d = v128.xor(d, v128.load(p3));
    a = v128.xor(a, v128.load(p0, 16));
    b = v128.xor(b, v128.load(p1, 16));
    c = v128.xor(c, v128.load(p2, 16));
    d = v128.xor(d, v128.load(p3, 16));
    a = v128.xor(a, v128.load(p0, 32));
    b = v128.xor(b, v128.load(p1, 32));
    c = v128.xor(c, v128.load(p2, 32));
    d = v128.xor(d, v128.load(p3, 32));
    a = v128.xor(a, v128.load(p0, 48));
    b = v128.xor(b, v128.load(p1, 48));
    c = v128.xor(c, v128.load(p2, 48));
    d = v128.xor(d, v128.load(p3, 48));
    p0 += 64;
    p1 += 64;
    p2 += 64;
    p3 += 64;
  }
  return fold(a, b, c, d);
}

function fold(a: v128, b: v128, c: v128, d: v128): i32 {
  const all = v128.xor(v128.xor(a, b), v128.xor(c, d));
  return i32x4.extract_lane(all, 0) ^ i32x4.extract_lane(all, 1) ^ i32x4.extract_lane(all, 2) ^ i32x4.extract_lane(all, 3);
}

/**
 * `turns` turns of 12 independent chains `x = x · m + c`, multiply and add separate as kvasm's kernels have them, in registers
 * only (12 + 2 of the 15 that V8 hands out). Start values, m and c are read from `values` (f32[14][4]): literals
 * could be folded. The sum of all chains is returned, so that none can be dropped.
 */
export function peak(values: usize, turns: i32): f32 {
  let x0 = v128.load(values, 0);
  let x1 = v128.load(values, 16);
  let x2 = v128.load(values, 32);
  let x3 = v128.load(values, 48);
  let x4 = v128.load(values, 64);
  let x5 = v128.load(values, 80);
  let x6 = v128.load(values, 96);
  let x7 = v128.load(values, 112);
  let x8 = v128.load(values, 128);
  let x9 = v128.load(values, 144);
  let x10 = v128.load(values, 160);
  let x11 = v128.load(values, 176);
  const m = v128.load(values, 192);
  const c = v128.load(values, 208);
  while (turns > 0) {
    x0 = f32x4.add(f32x4.mul(x0, m), c);
    x1 = f32x4.add(f32x4.mul(x1, m), c);
    x2 = f32x4.add(f32x4.mul(x2, m), c);
    x3 = f32x4.add(f32x4.mul(x3, m), c);
    x4 = f32x4.add(f32x4.mul(x4, m), c);
    x5 = f32x4.add(f32x4.mul(x5, m), c);
    x6 = f32x4.add(f32x4.mul(x6, m), c);
    x7 = f32x4.add(f32x4.mul(x7, m), c);
    x8 = f32x4.add(f32x4.mul(x8, m), c);
    x9 = f32x4.add(f32x4.mul(x9, m), c);
    x10 = f32x4.add(f32x4.mul(x10, m), c);
    x11 = f32x4.add(f32x4.mul(x11, m), c);
    turns--;
  }
  x0 = f32x4.add(f32x4.add(f32x4.add(x0, x1), f32x4.add(x2, x3)), f32x4.add(f32x4.add(x4, x5), f32x4.add(x6, x7)));
  x0 = f32x4.add(x0, f32x4.add(f32x4.add(x8, x9), f32x4.add(x10, x11)));
  return f32x4.extract_lane(x0, 0) + f32x4.extract_lane(x0, 1) + f32x4.extract_lane(x0, 2) + f32x4.extract_lane(x0, 3);
}

/**
 * The same for integers: `turns` turns of 12 independent chains `x = x + dot(x, m)`, the 16-bit dot product that the kernels for int8
 * and int4 weights are made of. Start values and m are read from `values` (13 vectors), sums wrap.
 */
export function dotPeak(values: usize, turns: i32): i32 {
  let x0 = v128.load(values, 0);
  let x1 = v128.load(values, 16);
  let x2 = v128.load(values, 32);
  let x3 = v128.load(values, 48);
  let x4 = v128.load(values, 64);
  let x5 = v128.load(values, 80);
  let x6 = v128.load(values, 96);
  let x7 = v128.load(values, 112);
  let x8 = v128.load(values, 128);
  let x9 = v128.load(values, 144);
  let x10 = v128.load(values, 160);
  let x11 = v128.load(values, 176);
  const m = v128.load(values, 192);
  while (turns > 0) {
    x0 = i32x4.add(x0, i32x4.dot_i16x8_s(x0, m));
    x1 = i32x4.add(x1, i32x4.dot_i16x8_s(x1, m));
    x2 = i32x4.add(x2, i32x4.dot_i16x8_s(x2, m));
    x3 = i32x4.add(x3, i32x4.dot_i16x8_s(x3, m));
    x4 = i32x4.add(x4, i32x4.dot_i16x8_s(x4, m));
    x5 = i32x4.add(x5, i32x4.dot_i16x8_s(x5, m));
    x6 = i32x4.add(x6, i32x4.dot_i16x8_s(x6, m));
    x7 = i32x4.add(x7, i32x4.dot_i16x8_s(x7, m));
    x8 = i32x4.add(x8, i32x4.dot_i16x8_s(x8, m));
    x9 = i32x4.add(x9, i32x4.dot_i16x8_s(x9, m));
    x10 = i32x4.add(x10, i32x4.dot_i16x8_s(x10, m));
    x11 = i32x4.add(x11, i32x4.dot_i16x8_s(x11, m));
    turns--;
  }
  return fold(v128.xor(v128.xor(x0, x1), x2), v128.xor(v128.xor(x3, x4), x5), v128.xor(v128.xor(x6, x7), x8), v128.xor(v128.xor(x9, x10), x11));
}
