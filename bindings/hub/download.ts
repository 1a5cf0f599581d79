/**
 * One file, by ranges: several requests at once, each for a piece that is not here yet. What came is kept through every failure; at the end
 * all bytes are compared with the digest, and only then the file is there.
 */
import { KvasmError } from "../errors.ts";
import { hasherOf } from "./digest.ts";
import { NoRanges, fetchPiece } from "./piece.ts";
import type { Place } from "./piece.ts";
import type { Meter } from "./progress.ts";
import { byteCount, missing, within } from "./ranges.ts";
import type { Connection } from "./requests.ts";
import { Patience } from "./retry.ts";
import type { Slots } from "./slots.ts";
import type { ByteRange, HubFile, PartialBlob } from "./store.ts";

export interface Job {
  readonly connection: Connection;
  readonly repository: string;
  readonly commit: string;
  readonly file: HubFile;
  readonly meter: Meter;
  /** Bytes of one request. */
  readonly pieceBytes: number;
  /** Requests at once of one file. */
  readonly connections: number;
  /** Those of all files together. */
  readonly slots: Slots;
}

/** Bytes read at once where all are compared. */
const CHUNK = 1 << 20;
/** A pointer of Git LFS is shorter. */
const MOST_POINTER_BYTES = 1024;

/** @throws KvasmError, Changed, the signal's reason */
export async function download(job: Job, open: () => Promise<PartialBlob>, signal: AbortSignal): Promise<void> {
  for (let time = 1; ; time++) {
    const partial = await open();
    try {
      job.meter.has(job.file.path, byteCount(partial.ranges));
      await fetchMissing(job, partial, signal);
      const fault = await compare(job.file, partial, signal);
      if (fault === undefined) return await partial.commit();
      // Which of the bytes are wrong cannot be told: all of them come once more, and then the source is at fault.
      await partial.discard();
      if (time === 2) throw fault;
    } finally {
      await partial.close();
    }
  }
}

async function fetchMissing(job: Job, partial: PartialBlob, signal: AbortSignal): Promise<void> {
  const gaps = missing(partial.ranges, job.file.size);
  if (gaps.length === 0) return;
  try {
    await fetchAll(job, partial, gaps.flatMap((gap) => pieces(gap, job.pieceBytes)), (piece) => within(missing(partial.ranges, job.file.size), piece), signal);
  } catch (error) {
    if (!(error instanceof NoRanges)) throw error;
    // The same comes again from the beginning, by one request; what is here is passed over.
    await fetchAll(job, partial, [{ begin: 0, end: job.file.size }], (piece) => [piece], signal);
  }
}

function pieces({ begin, end }: ByteRange, bytes: number): ByteRange[] {
  return Array.from({ length: Math.ceil((end - begin) / bytes) }, (_, index) => ({ begin: begin + index * bytes, end: Math.min(end, begin + (index + 1) * bytes) }));
}

/** @param restOf what of a piece has to be asked for again */
async function fetchAll(job: Job, partial: PartialBlob, queue: ByteRange[], restOf: (piece: ByteRange) => ByteRange[], signal: AbortSignal): Promise<void> {
  // The first failure for good ends the others' requests.
  const together = new AbortController();
  const stop = (): void => together.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  const place: Place = { url: undefined };

  const work = async (): Promise<void> => {
    const patience = new Patience(job.connection.timing, together.signal);
    for (let piece = queue.shift(); piece !== undefined; piece = queue.shift()) {
      const release = await job.slots.take(together.signal);
      try {
        await fetchPiece(job, partial, piece, place, together.signal, () => patience.progressed());
      } catch (error) {
        release();
        queue.unshift(...restOf(piece));
        await patience.failed(error);
      } finally {
        release();
      }
    }
  };
  const workers = Array.from({ length: Math.min(job.connections, queue.length) }, () => work().catch((error) => {
    together.abort(error);
    throw error;
  }));
  try {
    await Promise.all(workers);
  } catch (error) {
    await Promise.allSettled(workers); // what they have is being written
    throw together.signal.reason ?? error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** undefined: all bytes are the ones that the digest is of. */
async function compare(file: HubFile, partial: PartialBlob, signal: AbortSignal): Promise<KvasmError | undefined> {
  const hasher = hasherOf(file);
  let first: Uint8Array | undefined;
  for (let at = 0; at < file.size; at += CHUNK) {
    signal.throwIfAborted();
    const bytes = await partial.read(at, Math.min(at + CHUNK, file.size));
    first ??= bytes.slice(0, 200);
    hasher.update(bytes);
  }
  const text = new TextDecoder().decode(first ?? new Uint8Array(0));
  const isPointer = text.startsWith("version https://git-lfs.github.com/spec/");
  const hex = hasher.digest();
  if (hex === file.digest.hex) {
    if (!isPointer || file.size > MOST_POINTER_BYTES) return undefined;
    await partial.discard();
    throw new KvasmError("source", `source: ${JSON.stringify(file.path)}: the hub has a pointer of Git LFS in place of the file. A mirror must hold the files themselves (git lfs pull).`, { argument: "source", value: file.path });
  }
  const instead = isPointer ? " They begin as a pointer of Git LFS does." : /^\s*<(!doctype|html)/i.test(text) ? " They begin as a web page does." : "";
  return new KvasmError("source", `source: ${JSON.stringify(file.path)}: the bytes that came are not those that the hub lists (digest ${hex}, and not ${file.digest.hex}).${instead} They were thrown away. Try again; if it stays so, the mirror or a proxy is at fault.`, { argument: "source", value: hex });
}
