/** Trying again, with pauses that double, as long as there is hope. */
import { KvasmError } from "../errors.ts";
import { pause } from "./timing.ts";
import type { Timing } from "./timing.ts";

/** What may go better the next time. */
export class Transient extends Error {
  /** What is thrown when no more is tried. */
  readonly final: KvasmError;
  /** Milliseconds that the server asked to wait. */
  readonly wait: number | undefined;

  constructor(final: KvasmError, wait?: number) {
    super(final.message);
    this.final = final;
    this.wait = wait;
  }
}

/** Failures in a row without a byte between them, of one piece of work. */
export class Patience {
  #failures = 0;
  readonly #timing: Timing;
  readonly #signal: AbortSignal | undefined;

  constructor(timing: Timing, signal: AbortSignal | undefined) {
    this.#timing = timing;
    this.#signal = signal;
  }

  progressed(): void {
    this.#failures = 0;
  }

  /** Waits before the next try, or throws what the caller gets. */
  async failed(error: unknown): Promise<void> {
    this.#signal?.throwIfAborted();
    if (!(error instanceof Transient)) throw error;
    const { firstPause, longest, mostAsked, tries } = this.#timing;
    this.#failures++;
    if (this.#failures >= tries) throw error.final;
    if (error.wait !== undefined && error.wait > mostAsked) throw error.final;
    // Those who failed together do not come back together.
    const own = Math.min(longest, firstPause << (this.#failures - 1)) * (0.5 + chance() / 2);
    await pause(Math.max(own, error.wait ?? 0), this.#signal);
  }
}

/** From 0 to 1. */
function chance(): number {
  return crypto.getRandomValues(new Uint8Array(1))[0] / 255;
}

export async function patiently<T>(timing: Timing, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const patience = new Patience(timing, signal);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      await patience.failed(error);
    }
  }
}
