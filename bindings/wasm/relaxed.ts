/** Whether this engine is one for kvasm.relaxed.wasm. The bits are the same with either module; only the speed differs. */

/** (x, y) → lane 0 of i32x4.relaxed_dot_i8x16_i7x16_add_s(splat x, splat y, splat 0), exported as "dot". */
const DOT_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 100, 111, 116, 0, 0,
  10, 22, 1, 20, 0, 32, 0, 253, 15, 32, 1, 253, 15, 65, 0, 253, 17, 253, 147, 2, 253, 27, 0, 11,
]);

/**
 * What dot(127, −1) gives where the dot product is made of vpmaddubsw, whose sums of two saturate: 2 · 32767. That is several
 * instructions, slower than kvasm.wasm's. One instruction gives 4 · 127 · 255 (vpdpbusd) or 4 · 127 · −1 (ARM's sdot).
 */
const SATURATED = 65534;

/** True if relaxed SIMD is there and its 8-bit dot product is one instruction. */
export function hasFastDot(): boolean {
  try {
    if (!WebAssembly.validate(DOT_PROBE)) return false;
    const { dot } = new WebAssembly.Instance(new WebAssembly.Module(DOT_PROBE), {}).exports;
    const product = dot as (x: number, y: number) => number;
    // Node 20 has an unfinished one behind a flag, which takes x for the operand without sign.
    return product(-127, 15) === 4 * -127 * 15 && product(127, -1) !== SATURATED;
  } catch {
    return false; // a host that compiles nothing from bytes; it is handed its module
  }
}
