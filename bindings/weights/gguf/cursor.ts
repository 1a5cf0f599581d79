import { KvasmError } from "../../errors.ts";
import type { ByteReader } from "../../files/bytes.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NOTHING = new Uint8Array(0);

/**
 * Reads numbers and strings from a stream. A header has a hundred thousand strings, so nothing is awaited that is there already:
 * `need` gives a promise only where bytes must come first.
 */
export class Cursor {
  readonly #reader: ByteReader;
  readonly #file: string;
  /** What has come and was not read yet begins at #at; it may be a view of a chunk, valid until the next one is asked for. */
  #bytes: Uint8Array = NOTHING;
  #view: DataView = new DataView(NOTHING.buffer);
  #at = 0;

  constructor(reader: ByteReader, file: string) {
    this.#reader = reader;
    this.#file = file;
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#reader.position - (this.#bytes.length - this.#at);
  }

  /** undefined if the next `count` bytes are there. */
  need(count: number): Promise<void> | undefined {
    return this.#bytes.length - this.#at >= count ? undefined : this.#fetch(count);
  }

  // What follows relies on `need`.

  u8(): number {
    return this.#bytes[this.#at++];
  }

  u32(): number {
    return this.#view.getUint32((this.#at += 4) - 4, true);
  }

  u64(): bigint {
    return this.#view.getBigUint64((this.#at += 8) - 8, true);
  }

  /** A DataView whose byte `offset` is the next one; they are taken. */
  take(count: number): { view: DataView; offset: number } {
    const offset = this.#at;
    this.#at += count;
    return { view: this.#view, offset };
  }

  /** null: it is not UTF-8. */
  string(count: number): string | null {
    const bytes = this.#bytes.subarray(this.#at, this.#at += count);
    try {
      return utf8.decode(Object.prototype.toString.call(bytes.buffer) === "[object SharedArrayBuffer]" ? bytes.slice() : bytes); // browsers do not decode shared memory
    } catch {
      return null;
    }
  }

  /** Leaves `count` bytes out, however many they are. */
  async skip(count: number): Promise<void> {
    let left = count;
    for (;;) {
      const run = Math.min(left, this.#bytes.length - this.#at);
      this.#at += run;
      left -= run;
      if (left === 0) return;
      this.#set(await this.#reader.chunk() ?? this.#ended());
    }
  }

  /** Gives what has not been read back to the reader. */
  finish(): void {
    this.#reader.unread(this.#bytes.subarray(this.#at));
    this.#set(NOTHING);
  }

  /** Nothing is allocated for a count but what comes. */
  async #fetch(count: number): Promise<void> {
    const parts = [this.#bytes.slice(this.#at)];
    let length = parts[0].length;
    while (length < count) {
      const chunk = await this.#reader.chunk() ?? this.#ended();
      parts.push(chunk.slice());
      length += chunk.length;
    }
    const all = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    this.#set(all);
  }

  #set(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = 0;
  }

  #ended(): never {
    throw new KvasmError("weights", `${this.#file}: ends within its header, after ${this.#reader.position} bytes. It is cut off or damaged: download it again.`, { argument: this.#file, value: this.#reader.position });
  }
}
