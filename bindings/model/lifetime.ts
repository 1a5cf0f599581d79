import { KvasmError } from "../errors.ts";

/**
 * Symbol.dispose, and in engines that have none a symbol of that description under which `dispose` can be found all the same.
 * The type is the standard symbol's, so that `using` type-checks.
 */
export const disposeSymbol: typeof Symbol.dispose = Symbol.dispose ?? (Symbol.for("Symbol.dispose") as typeof Symbol.dispose);

/**
 * Something that ends once. Whoever needs the value asks for it each time: after `end` they get a `disposed` error, and
 * nothing keeps the value from the collector.
 */
export class Lifetime<T extends object> {
  readonly #what: string;
  #value: T | null;

  constructor(what: string, value: T) {
    this.#what = what;
    this.#value = value;
  }

  get alive(): boolean {
    return this.#value !== null;
  }

  /** The value, or a `disposed` error. */
  get value(): T {
    if (this.#value === null) {
      throw new KvasmError("disposed", `${this.#what}: it was disposed and can no longer be used. Make a new one.`, { argument: this.#what });
    }
    return this.#value;
  }

  /** Ends it; returns the value the first time, null later. */
  end(): T | null {
    const value = this.#value;
    this.#value = null;
    return value;
  }
}

/** Runs `release` when `target` has been collected without being disposed, where the engine can tell. `release` must not hold `target`. */
export function whenCollected(target: object, release: () => void): () => void {
  if (registry === undefined) return () => {};
  const token = {};
  registry.register(target, release, token);
  return () => registry.unregister(token);
}

const registry = makeRegistry();

/** Made before it is relied on: some edge runtimes have the name and throw. */
function makeRegistry(): FinalizationRegistry<() => void> | undefined {
  try {
    return new FinalizationRegistry<() => void>((release) => release());
  } catch {
    return undefined;
  }
}
