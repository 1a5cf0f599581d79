import { ValueType } from "../../weights/gguf/format.ts";

const utf8 = new TextEncoder();

/** A header as it is being written. */
export class HeaderWriter {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  u32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  u64(value: number): void {
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  string(text: string): void {
    const bytes = utf8.encode(text);
    this.u64(bytes.length);
    this.raw(bytes);
  }

  keyU32(key: string, value: number): void {
    this.#key(key, ValueType.u32);
    this.u32(value);
  }

  keyF32(key: string, value: number): void {
    this.#key(key, ValueType.f32);
    const at = this.#room(4);
    this.#view.setFloat32(at, value, true);
  }

  keyBoolean(key: string, value: boolean): void {
    this.#key(key, ValueType.bool);
    const at = this.#room(1);
    this.#bytes[at] = value ? 1 : 0;
  }

  keyString(key: string, value: string): void {
    this.#key(key, ValueType.string);
    this.string(value);
  }

  keyStrings(key: string, values: readonly string[]): void {
    this.#array(key, ValueType.string, values.length);
    for (const value of values) this.string(value);
  }

  keyI32s(key: string, values: readonly number[]): void {
    this.#array(key, ValueType.i32, values.length);
    for (const value of values) this.u32(value >>> 0);
  }

  /** Zeros up to the next multiple. */
  pad(alignment: number): void {
    this.#room((alignment - (this.length % alignment)) % alignment);
  }

  /** What was written; the writer is done. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.length);
  }

  #array(key: string, type: number, count: number): void {
    this.#key(key, ValueType.array);
    this.u32(type);
    this.u64(count);
  }

  #key(key: string, type: number): void {
    this.string(key);
    this.u32(type);
  }

  #room(count: number): number {
    if (this.length + count > this.#bytes.length) {
      const more = new Uint8Array(2 * (this.length + count));
      more.set(this.#bytes.subarray(0, this.length));
      this.#bytes = more;
      this.#view = new DataView(more.buffer);
    }
    this.length += count;
    return this.length - count;
  }
}
