/** One tab at a time: Web Locks where there are any, which end with the tab that holds them; else a row within this page. */
const rows = new Map<string, Promise<unknown>>();

/** Runs `work` while nobody else of this origin runs one of the same name. */
export async function exclusively<T>(name: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  signal?.throwIfAborted();
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  if (locks !== undefined) {
    try {
      return await locks.request(name, signal === undefined ? {} : { signal }, work) as T;
    } catch (error) {
      signal?.throwIfAborted();
      if ((error as DOMException | null)?.name !== "SecurityError") throw error; // an origin that may not have any
    }
  }
  const before = rows.get(name) ?? Promise.resolve();
  const turn = before.catch(() => {}).then(() => {
    signal?.throwIfAborted();
    return work();
  });
  rows.set(name, turn);
  try {
    return await untilAborted(turn, before, signal);
  } finally {
    if (rows.get(name) === turn) rows.delete(name);
  }
}

/** Who still waits when the signal aborts does not wait any longer; who has begun ends by itself. */
async function untilAborted<T>(turn: Promise<T>, before: Promise<unknown>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return turn;
  turn.catch(() => {});
  let stop: () => void;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
  });
  try {
    await Promise.race([before.catch(() => {}), aborted]);
  } finally {
    signal.removeEventListener("abort", stop!);
  }
  return turn;
}
