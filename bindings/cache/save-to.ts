import { checkOptions } from "../errors.ts";
import { checkSignal } from "../model/signal.ts";
import type { Slot } from "../model/slot.ts";
import { savedParts } from "./save.ts";
import { writeAll } from "./streams.ts";

export interface SaveOptions {
  /** Ends saving by throwing `signal.reason`; the stream is aborted. */
  signal?: AbortSignal | undefined;
}

/** Writes the sequence as it is at the call: a fork stays, whatever becomes of it meanwhile. */
export async function saveTo(slot: Slot, seed: number | undefined, stream: WritableStream<Uint8Array>, options?: SaveOptions): Promise<void> {
  const { signal } = checkOptions<SaveOptions>("save options", options, ["signal"]);
  checkSignal(signal);
  const fork = slot.fork();
  try {
    await writeAll(stream, copies(savedParts(fork, seed)), signal);
  } finally {
    fork.close();
  }
}

function* copies(parts: Iterable<Uint8Array>): Generator<Uint8Array<ArrayBuffer>, void, void> {
  for (const part of parts) yield part.slice() as Uint8Array<ArrayBuffer>;
}
