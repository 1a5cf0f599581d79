/**
 * A page is told nothing when a worker of its is ended, or dies for want of memory. A lock that the worker holds as long as it lives says
 * so, where the host has locks (browsers, in secure contexts): the caller waits for the same one, and gets it when the worker is gone.
 */
interface Locks {
  request(name: string, options: { signal?: AbortSignal }, use: () => unknown): Promise<unknown>;
}

function locks(): Locks | undefined {
  const found = (globalThis as { navigator?: { locks?: Locks } }).navigator?.locks;
  return typeof (globalThis as { isSecureContext?: boolean }).isSecureContext === "boolean" ? found : undefined;
}

const nameOf = (line: string): string => `kvasm worker ${line}`;

/** Worker's side: resolves to true when the lock is held, so that the caller may wish for it, and to false where it cannot be. */
export function holdLifeline(line: string): Promise<boolean> {
  const held = locks();
  if (held === undefined) return Promise.resolve(false);
  return new Promise((resolve) => {
    held.request(nameOf(line), {}, () => {
      resolve(true);
      return new Promise(() => {});
    }).catch(() => resolve(false));
  });
}

/** Caller's side, once the worker is ready. `signal` ends the watch. */
export function watchLifeline(line: string, signal: AbortSignal, ended: () => void): void {
  locks()?.request(nameOf(line), { signal }, ended).catch(() => {});
}
