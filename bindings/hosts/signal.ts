import { KvasmError, shown } from "../errors.ts";

/** By shape, since instanceof fails between realms. */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  const { aborted, throwIfAborted, addEventListener } = Object(signal) as Partial<AbortSignal>;
  if (typeof aborted === "boolean" && typeof throwIfAborted === "function" && typeof addEventListener === "function") return signal as AbortSignal;
  throw new KvasmError("type", `signal: expected an AbortSignal, got ${shown(signal)}.`, { argument: "signal", value: signal });
}

/** `promise`, or the signal's reason as soon as it aborts: a caller's promise may never answer. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
