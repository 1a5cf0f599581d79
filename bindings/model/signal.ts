import { KvasmError, shown } from "../errors.ts";

/** By shape, since instanceof fails between realms. */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  const { aborted, throwIfAborted, addEventListener } = Object(signal) as Partial<AbortSignal>;
  if (typeof aborted === "boolean" && typeof throwIfAborted === "function" && typeof addEventListener === "function") return signal as AbortSignal;
  throw new KvasmError("type", `signal: expected an AbortSignal, got ${shown(signal)}.`, { argument: "signal", value: signal });
}
