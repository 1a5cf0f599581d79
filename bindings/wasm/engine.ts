import { KvasmError } from "../errors.ts";

/** A function that does one i8x16.splat and one i8x16.popcnt: valid only where SIMD is. */
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

/** Throws an `engine` error if this host cannot run the module, before anything is fetched or compiled. */
export function checkHost(): void {
  if (typeof WebAssembly !== "object" || typeof WebAssembly.validate !== "function") {
    throw new KvasmError("engine", "WebAssembly: this host has none. Run kvasm where WebAssembly is available (in Node: without --jitless).");
  }
  if (!WebAssembly.validate(SIMD_PROBE)) {
    throw new KvasmError("engine", "WebAssembly SIMD: this host has none. Use a newer engine (Node 20, Chrome 91, Firefox 89, Safari 16.4 or later), with SIMD switched on.");
  }
  if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) {
    // The module's memory is little-endian everywhere; typed arrays over it are the host's.
    throw new KvasmError("engine", "byte order: this host is big-endian, and typed arrays over WebAssembly memory would read garbage. Use a little-endian machine.");
  }
}

/** Throws if the module's checkEngine() found arithmetic that is not everyone's. */
export function checkArithmetic(found: number): void {
  if (found === 0) return;
  if (found === 3) {
    throw new KvasmError(
      "engine",
      "relaxed SIMD: this host's dot product of bytes is not the standard's, so results would not be the same as elsewhere. Pass kvasm.wasm instead of kvasm.relaxed.wasm, or switch off the flag that enables relaxed SIMD.",
      { argument: "wasm", value: found },
    );
  }
  throw new KvasmError(
    "engine",
    `subnormal numbers: ${found === 1 ? "scalar" : "SIMD"} arithmetic of this process flushes them to zero, so results would not be the same as elsewhere. ` +
      "A native library that was built with -ffast-math does this to the whole process: load kvasm in a process (or worker) without it.",
    { argument: "checkEngine", value: found },
  );
}
