import { KvasmError } from "../../errors.ts";
import type { ByteReader } from "../../files/bytes.ts";

const NOTHING = new Uint8Array(0);

/** A file from its beginning to its end, with a look at what comes next. */
export class Forward {
  readonly #reader: ByteReader;
  readonly #file: string;
  /** What has come and was not taken. It may be a view of a chunk, valid until the next one is asked for. */
  #bytes: Uint8Array = NOTHING;

  constructor(reader: ByteReader, file: string) {
    this.#reader = reader;
    this.#file = file;
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#reader.position - this.#bytes.length;
  }

  /** Bytes of the file, if known. */
  get size(): number | undefined {
    return this.#reader.size;
  }

  /** The next bytes, at least `count` unless the file ends before. Valid until the next call. Nothing is allocated but for what comes. */
  async peek(count: number): Promise<Uint8Array> {
    if (this.#bytes.length >= count) return this.#bytes;
    const parts = [this.#bytes.slice()];
    let length = this.#bytes.length;
    this.#bytes = NOTHING;
    while (length < count) {
      const chunk = await this.#reader.chunk();
      if (chunk === null) break;
      // Where nothing came before, it need not be copied.
      if (length === 0 && chunk.length >= count) return this.#bytes = chunk;
      parts.push(chunk.slice());
      length += chunk.length;
    }
    const all = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return this.#bytes = all;
  }

  /** Takes bytes that `peek` has shown. */
  skip(count: number): void {
    this.#bytes = this.#bytes.subarray(count);
  }

  /** Takes exactly `count` bytes. @throws KvasmError `weights` */
  async take(count: number): Promise<Uint8Array> {
    const bytes = await this.peek(count);
    if (bytes.length < count) this.cutOff();
    this.skip(count);
    return bytes.subarray(0, count);
  }

  /** Takes the next bytes, from 1 to `most` of them. @throws KvasmError `weights` */
  async chunk(most: number): Promise<Uint8Array> {
    const bytes = await this.peek(1);
    if (bytes.length === 0) this.cutOff();
    const part = bytes.subarray(0, most);
    this.skip(part.length);
    return part;
  }

  cutOff(): never {
    throw new KvasmError("weights", `${this.#file}: ended after ${this.#reader.position} bytes, before its end. It is cut off: download it again.`, { argument: this.#file, value: this.#reader.position });
  }
}
