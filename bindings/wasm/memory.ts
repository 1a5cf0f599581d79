import { KvasmError } from "../errors.ts";
import { MEMORY_LIMIT } from "./exports.ts";

export const PAGE_BYTES = 65536;

/** An address or byte count as the module returns it (an i32 is signed in JavaScript, an f64 is not). */
export function unsigned(value: number): number {
  return value < 0 ? value >>> 0 : value;
}

/**
 * The module's memory as typed arrays. Growing detaches the buffer under every view, so views are taken anew when it has
 * changed: use `memory.f32` each time and keep none of them across a growth. Index = address / bytes of an element.
 */
export class Memory {
  readonly #memory: WebAssembly.Memory;
  #u8: Uint8Array;
  #u32: Uint32Array;
  #f32: Float32Array;
  #f64: Float64Array;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    const { buffer } = memory;
    this.#u8 = new Uint8Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#f32 = new Float32Array(buffer);
    this.#f64 = new Float64Array(buffer);
  }

  #renew(): void {
    const { buffer } = this.#memory;
    if (buffer === this.#u8.buffer) return;
    this.#u8 = new Uint8Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#f32 = new Float32Array(buffer);
    this.#f64 = new Float64Array(buffer);
  }

  get u8(): Uint8Array { this.#renew(); return this.#u8; }
  get u32(): Uint32Array { this.#renew(); return this.#u32; }
  get f32(): Float32Array { this.#renew(); return this.#f32; }
  get f64(): Float64Array { this.#renew(); return this.#f64; }

  /** Bytes. */
  get size(): number {
    return this.#memory.buffer.byteLength;
  }

  /** Makes sure that `end` bytes exist. A `memory` error says how many were needed. */
  growTo(end: number, what: string): void {
    checkFits(end, what);
    const missing = Math.ceil((end - this.size) / PAGE_BYTES);
    if (missing <= 0) return;
    try {
      this.#memory.grow(missing);
    } catch (cause) {
      throw new KvasmError("memory", `${what}: ${bytesShown(end)} of memory are needed, and the host gives no more than ${bytesShown(this.size)}. Free memory, or use a smaller model or cache.`, { argument: what, value: end, cause });
    }
  }
}

/** A `memory` error if a layout ends beyond what 32-bit addresses reach. */
export function checkFits(end: number, what: string): void {
  if (end <= MEMORY_LIMIT) return;
  throw new KvasmError("memory", `${what}: ${bytesShown(end)} are needed, but WebAssembly addresses at most ${bytesShown(MEMORY_LIMIT)}. Use a smaller model, a shorter contextLength or fewer sequences.`, { argument: what, value: end });
}

function bytesShown(bytes: number): string {
  return `${bytes} bytes (${(bytes / 2 ** 20).toFixed(1)} MiB)`;
}
