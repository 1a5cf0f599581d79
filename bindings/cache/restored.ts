import { KvasmError, checkBoolean, checkOptions, shown } from "../errors.ts";
import type { Arena } from "../model/arena.ts";
import { appendShared } from "../generate/schedule.ts";
import type { Lifetime } from "../model/lifetime.ts";
import { Sequence } from "../model/sequence.ts";
import { checkSignal } from "../hosts/signal.ts";
import { isBytes } from "../files/bytes.ts";
import { Restoring } from "./restore.ts";
import type { Restored } from "./restore.ts";
import { readAll } from "./streams.ts";

export interface RestoreOptions {
  /**
   * Compute the tokens anew where the saved pages cannot be used: they are of another cache type, or of a model with another type of
   * weights or version of the numerics. Default false: that is an error `saved`.
   */
  recompute?: boolean | undefined;
}

export interface RestoreFromOptions extends RestoreOptions {
  /** Ends restoring by throwing `signal.reason`. */
  signal?: AbortSignal | undefined;
}

/** As Model.restore. */
export function restore(model: Lifetime<Arena>, bytes: Uint8Array, options?: RestoreOptions): Sequence {
  const { recompute = false } = checkOptions<RestoreOptions>("restore options", options, ["recompute"]);
  checkBoolean("recompute", recompute);
  if (!isBytes(bytes)) throw new KvasmError("type", `bytes: expected a Uint8Array, got ${shown(bytes)}. For a stream there is restoreFrom.`, { argument: "bytes", value: bytes });
  void model.value;
  const restoring = new Restoring(model, recompute);
  restoring.write(bytes);
  const { slot, seed, missing } = restoring.end();
  try {
    if (missing !== null) slot.appendAll(missing, null);
    return new Sequence(slot, seed);
  } catch (error) {
    slot.close();
    throw error;
  }
}

/** As Model.restoreFrom. */
export async function restoreFrom(model: Lifetime<Arena>, stream: ReadableStream<Uint8Array>, options?: RestoreFromOptions): Promise<Sequence> {
  const { recompute = false, signal } = checkOptions<RestoreFromOptions>("restore options", options, ["recompute", "signal"]);
  checkBoolean("recompute", recompute);
  checkSignal(signal);
  void model.value;
  const { slot, seed, missing } = await readAll<Restored>(stream, new Restoring(model, recompute), signal);
  try {
    const check = (): void => {
      signal?.throwIfAborted();
      void slot.arena;
    };
    if (missing !== null) await appendShared(slot, missing, "recompute", check);
    return new Sequence(slot, seed);
  } catch (error) {
    slot.close();
    throw error;
  }
}
