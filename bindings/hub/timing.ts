/** How long is waited, and for what. Milliseconds. */
export interface Timing {
  /** For the head of an answer. */
  readonly answer: number;
  /** For the next bytes of one. */
  readonly bytes: number;
  /** Before the first new try; twice as long before each further one, up to `longest`. */
  readonly firstPause: number;
  readonly longest: number;
  /** What a server may ask to wait for; beyond it the caller is told. */
  readonly mostAsked: number;
  /** Tries in a row that bring no bytes. */
  readonly tries: number;
}

export const TIMING: Timing = { answer: 30_000, bytes: 30_000, firstPause: 500, longest: 30_000, mostAsked: 120_000, tries: 6 };


export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) return stop();
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Throws `signal.reason` as soon as it aborts, whether `work` listens or not. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: () => void;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop!);
  }
}
