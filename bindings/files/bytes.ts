import { KvasmError, shown } from "../errors.ts";
import type { ModelFiles, OpenFile } from "./files.ts";

/** Milliseconds that a source has to let go. A stream of the caller's may never answer. */
const PATIENCE = 1000;

/** Bytes of one read into a buffer of ours. */
const BUFFER = 1 << 16;
const LEAST_BUFFER = 1 << 12;

/** By tag rather than instanceof, which fails between realms. */
export function isBytes(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === "[object Uint8Array]" && ArrayBuffer.isView(value);
}

/** Bytes of one file in order, with the errors that say what happened to it. */
export class ByteReader {
  /** Bytes handed out so far. */
  position = 0;
  readonly #file: OpenFile;
  readonly #name: string;
  readonly #where: string;
  readonly #signal: AbortSignal | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | ReadableStreamBYOBReader;
  /** Where a stream that takes a buffer puts its bytes, again and again; null: this stream brings its own. */
  #buffer: ArrayBuffer | null = null;
  #rest: Uint8Array | undefined;
  #received = 0;
  readonly #stop = (): void => void this.cancel();

  /** @param where the folder, for messages */
  constructor(file: OpenFile, name: string, where: string, signal: AbortSignal | undefined) {
    this.#file = file;
    this.#name = name;
    this.#where = where;
    this.#signal = signal;
    try {
      [this.#reader, this.#buffer] = readerOf(file.stream);
    } catch (cause) {
      throw this.#failure("the stream is in use. A stream serves one load; pass a new one", cause);
    }
    // Cancelling ends a read that is waiting, even if the source itself does not answer.
    signal?.addEventListener("abort", this.#stop);
  }

  get size(): number | undefined {
    return this.#file.size;
  }

  /** The next bytes, at least one; null at the end of the file. Valid until the next call. */
  async chunk(): Promise<Uint8Array | null> {
    const bytes = this.#rest ?? await this.#read();
    this.#rest = undefined;
    if (bytes !== null) this.position += bytes.length;
    return bytes;
  }

  /** The next `count` bytes, or fewer if the file ends. Valid until the next call. */
  async take(count: number): Promise<Uint8Array> {
    let first = await this.chunk();
    if (first === null) return new Uint8Array(0);
    if (first.length >= count) return this.#split(first, count);
    const parts: Uint8Array[] = [];
    let length = 0;
    for (let part = first as Uint8Array | null; part !== null; part = await this.chunk()) {
      const wanted = this.#split(part, Math.min(part.length, count - length));
      parts.push(wanted.slice());
      length += wanted.length;
      if (length === count) break;
    }
    const all = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  /** Gives the last bytes that came back: they are the next ones again. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#rest = bytes;
    this.position -= bytes.length;
  }

  /** Lets go of the file. */
  async cancel(): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#stop);
    const cancelled = this.#reader.cancel().catch(() => {}); // a stream that has failed says so again
    let timer: ReturnType<typeof setTimeout>;
    const late = new Promise<void>((resolve) => { timer = setTimeout(resolve, PATIENCE); });
    await Promise.race([cancelled, late]).finally(() => clearTimeout(timer));
  }

  /** Keeps what is beyond `count` for the next call. */
  #split(bytes: Uint8Array, count: number): Uint8Array {
    if (count < bytes.length) {
      this.#rest = bytes.subarray(count);
      this.position -= bytes.length - count;
    }
    return bytes.subarray(0, count);
  }

  async #read(): Promise<Uint8Array | null> {
    for (;;) {
      this.#signal?.throwIfAborted();
      let result: ReadableStreamReadResult<unknown>;
      try {
        result = await this.#next();
      } catch (cause) {
        this.#signal?.throwIfAborted();
        if (KvasmError.is(cause)) throw cause;
        throw this.#failure(`broke off after ${this.#received} bytes (${cause instanceof Error ? cause.message : String(cause)})`, cause);
      }
      this.#signal?.throwIfAborted();
      if (result.done) {
        this.#signal?.removeEventListener("abort", this.#stop);
        if (this.size !== undefined && this.#received < this.size) throw this.#failure(`ended after ${this.#received} of ${this.size} bytes. Try again`);
        return null;
      }
      const bytes = result.value;
      if (!isBytes(bytes)) {
        throw new KvasmError("type", `${this.#name}: expected a stream of Uint8Arrays, got a chunk that is ${shown(bytes)}.`, { argument: this.#name, value: bytes });
      }
      this.#received += bytes.length;
      if (bytes.length > 0) return bytes;
    }
  }

  async #next(): Promise<ReadableStreamReadResult<unknown>> {
    if (this.#buffer === null) return (this.#reader as ReadableStreamDefaultReader).read();
    const result = await (this.#reader as ReadableStreamBYOBReader).read(new Uint8Array(this.#buffer));
    // The buffer went with the call and comes back, as a new object; if it does not, the next read has one of its own.
    this.#buffer = result.value !== undefined && isBytes(result.value) && result.value.buffer.byteLength >= LEAST_BUFFER ? result.value.buffer : new ArrayBuffer(BUFFER);
    return result;
  }

  #failure(what: string, cause?: unknown): KvasmError {
    return new KvasmError("source", `${this.#name} (${this.#where}): ${what}.`, { argument: this.#name, cause });
  }
}

/**
 * A reader with a buffer of ours where the stream takes one, as bodies of fetch do: else workerd, for one, makes a new buffer for
 * every 4 KiB, and they pile up to tens of megabytes before they are collected.
 */
function readerOf(stream: ReadableStream<Uint8Array>): [ReadableStreamDefaultReader<Uint8Array> | ReadableStreamBYOBReader, ArrayBuffer | null] {
  if (!stream.locked) {
    try {
      return [stream.getReader({ mode: "byob" }), new ArrayBuffer(BUFFER)];
    } catch {
      // A stream of chunks, or a host that knows no such readers.
    }
  }
  return [stream.getReader(), null];
}

/** A file that must be there. */
export async function openRequired(files: ModelFiles, name: string): Promise<OpenFile> {
  return await files.open(name) ?? await missing(files, name);
}

/** @param others files that would have done as well: a server that refused one of them may want credentials */
export async function missing(files: ModelFiles, name: string, cure = "", others: readonly string[] = []): Promise<never> {
  const absences = await Promise.all([name, ...others].map((one) => files.whyAbsent?.(one)));
  const absence = absences.find((one) => isRefusal(one?.status)) ?? absences[0];
  const why = [absence?.why ?? "", cure].filter((text) => text !== "").join(" ");
  throw new KvasmError("source", `${name}: not found in ${files.description}.${why && " " + why}${name === "config.json" ? " A model's folder holds config.json and model.safetensors (or model.safetensors.gz)." : ""}`, { argument: name, value: absence?.status });
}

/** What servers answer to those who may not read a file, and many stores for a file that they do not have. */
export function isRefusal(status: number | undefined): boolean {
  return status === 401 || status === 403;
}

/** A whole file as text, or null if there is none. @param limit bytes beyond which it is refused */
export async function readText(files: ModelFiles, name: string, limit: number, signal?: AbortSignal): Promise<string | null> {
  const file = await files.open(name);
  if (file === null) return null;
  const reader = new ByteReader(file, name, files.description, signal);
  try {
    const bytes = await reader.take(limit + 1);
    if (bytes.length > limit) throw new KvasmError("source", `${name} (${files.description}): has more than ${limit} bytes, more than such a file can need.`, { argument: name });
    return decodeText(bytes, name);
  } finally {
    await reader.cancel();
  }
}

function decodeText(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes.slice()); // a copy: browsers do not decode shared memory
  } catch (cause) {
    throw new KvasmError("source", `${name}: is not text in UTF-8. Save it as UTF-8.`, { argument: name, cause });
  }
}
