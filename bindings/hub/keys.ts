import type { HubOptions } from "./settings.ts";

export const HUB_KEYS = ["revision", "token", "offline", "cacheDir", "endpoint", "keep"] as const satisfies readonly (keyof HubOptions)[];

/** For tests: shorter times, smaller pieces, another store. */
export const HUB_TEST = Symbol.for("kvasm.hubTest");

/** The options of a call that are about a hub. */
export function hubOptions(given: HubOptions): HubOptions {
  const keys: readonly (string | symbol)[] = [...HUB_KEYS, HUB_TEST];
  return Object.fromEntries(keys.map((key) => [key, (given as Record<string | symbol, unknown>)[key]]));
}
