import type { Arena } from "./arena.ts";
import type { Lifetime } from "./lifetime.ts";

/** What is behind a Model that a caller hands in. */
export const behind = new WeakMap<object, Lifetime<Arena>>();
