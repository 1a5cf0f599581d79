/** Saved sequences to and from streams, whichever side of a worker the model is on. */
import { KvasmError, shown } from "../errors.ts";
import { unlessAborted } from "../hosts/signal.ts";
import { ByteReader } from "../files/bytes.ts";

/** Where the bytes of a stream go: in order, then `end`; or `abort` after an error. */
export interface ByteSink<T> {
  write(bytes: Uint8Array): void | Promise<void>;
  end(): T | Promise<T>;
  abort(): void;
}

/**
 * Writes everything and closes the stream; after an error, or an abort, the stream is aborted.
 * @param parts each of them is the stream's to keep
 * @throws KvasmError `type` (no stream), `source` (it is in use, or cannot be written), and the signal's reason
 */
export async function writeAll(stream: WritableStream<Uint8Array>, parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, signal: AbortSignal | undefined): Promise<void> {
  if (typeof (stream as Partial<WritableStream> | null)?.getWriter !== "function") {
    throw new KvasmError("type", `stream: expected a WritableStream, got ${shown(stream)}. Node's streams become one by Writable.toWeb.`, { argument: "stream", value: stream });
  }
  const writer = attempt(() => stream.getWriter(), "it is in use");
  try {
    for await (const part of parts) {
      signal?.throwIfAborted();
      await unlessAborted(written(writer.ready), signal);
      written(writer.write(part)).catch(() => {}); // a write that fails makes the stream's next step fail
    }
    await unlessAborted(written(writer.close()), signal);
  } catch (error) {
    writer.abort(error).catch(() => {});
    throw error;
  } finally {
    writer.releaseLock();
  }
}

/** @throws KvasmError `type` (no stream), `source` (in use, or broken off), what `sink` throws, and the signal's reason */
export async function readAll<T>(stream: ReadableStream<Uint8Array>, sink: ByteSink<T>, signal: AbortSignal | undefined): Promise<T> {
  let reader: ByteReader | undefined;
  try {
    if (typeof (stream as Partial<ReadableStream> | null)?.getReader !== "function") {
      throw new KvasmError("type", `stream: expected a ReadableStream, got ${shown(stream)}. Node's streams become one by Readable.toWeb.`, { argument: "stream", value: stream });
    }
    reader = new ByteReader({ stream, size: undefined }, "stream", "a saved sequence", signal);
    for (let bytes = await reader.chunk(); bytes !== null; bytes = await reader.chunk()) await sink.write(bytes);
    return await sink.end();
  } catch (error) {
    sink.abort();
    throw error;
  } finally {
    await reader?.cancel();
  }
}

function attempt<T>(action: () => T, what: string): T {
  try {
    return action();
  } catch (cause) {
    throw failure(what, cause);
  }
}

async function written(promise: Promise<void>): Promise<void> {
  try {
    await promise;
  } catch (cause) {
    throw failure(`it cannot be written (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
}

function failure(what: string, cause: unknown): KvasmError {
  return new KvasmError("source", `stream: ${what}. Write to another stream.`, { argument: "stream", cause });
}
