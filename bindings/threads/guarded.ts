import { KvasmError } from "../errors.ts";
import type { ThreadsExports } from "../wasm/exports.ts";

/** What has become of the workers. */
export interface TeamState {
  /** Part of a sentence. */
  failure?: string;
  /** They are not waited for any more: one thread computes. */
  isAlone?: boolean;
}

/** Calls in which threads wait for each other. */
const JOBS = ["step", "runLayer", "finishStep", "headRows", "sequenceLogits"] as const;

/** The exports of an instance whose workers may die: then each of these calls is an error `worker` from then on. */
export function guarded(exports: ThreadsExports, state: TeamState): ThreadsExports {
  const check = (): void => {
    if (state.failure === undefined || state.isAlone) return;
    throw new KvasmError("worker", `threads: ${state.failure}. Dispose the model and load it again.`, { argument: "threads" });
  };
  const guards = JOBS.map((name) => [name, (...args: never[]) => {
    check();
    try {
      return (exports[name] as (...args: never[]) => unknown)(...args);
    } catch (cause) {
      if (!(cause instanceof WebAssembly.RuntimeError)) throw cause;
      state.failure ??= "a worker ended while it computed";
      return check();
    }
  }]);
  return Object.freeze({ ...exports, ...Object.fromEntries(guards) }) as ThreadsExports;
}
