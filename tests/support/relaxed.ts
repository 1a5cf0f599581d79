/** A function of one i8x16.relaxed_swizzle: valid only where relaxed SIMD is. */
const PROBE = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 0, 253, 15, 65, 0, 253, 15, 253, 128, 2, 11);

/** Whether this engine runs kvasm.relaxed.wasm, be it the faster one here or not. */
export const hasRelaxedSimd = WebAssembly.validate(PROBE);
