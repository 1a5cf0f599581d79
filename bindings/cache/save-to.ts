import { checkOptions } from "../errors.ts";
import { checkSignal } from "../hosts/signal.ts";
import type { Slot } from "../model/slot.ts";
import { savedParts } from "./save.ts";
import { writeAll } from "./streams.ts";

export interface SaveOptions {
  /** Ends saving by throwing `signal.reason`; the stream is aborted. */
  signal?: AbortSignal | undefined;
}

/** Writes the sequence as it is at the call. It writes a fork, so what the caller does to the sequence meanwhile does not show. */
export async function saveTo(slot: Slot, seed: number | undefined, stream: WritableStream<Uint8Array>, options?: SaveOptions): Promise<void> {
  const { signal } = checkOptions<SaveOptions>("save options", options, ["signal"]);
  checkSignal(signal);
  const fork = slot.fork();
  try {
    await writeAll(stream, pieces(savedParts(fork, seed)), signal);
  } finally {
    fork.close();
  }
}

/** Bytes of what is written at a time. */
const PIECE = 1 << 18;

/** The parts, copied, several of them a piece. */
function* pieces(parts: Iterable<Uint8Array>): Generator<Uint8Array<ArrayBuffer>, void, void> {
  let piece = new Uint8Array(PIECE);
  let filled = 0;
  for (const part of parts) {
    if (filled + part.length > PIECE) {
      const own = part.slice() as Uint8Array<ArrayBuffer>; // a part does not outlast a yield
      if (filled > 0) yield piece.subarray(0, filled);
      if (own.length > PIECE) yield own;
      piece = new Uint8Array(PIECE);
      filled = own.length > PIECE ? 0 : own.length;
      if (filled > 0) piece.set(own);
    } else {
      piece.set(part, filled);
      filled += part.length;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
