/**
 * What the two sides say to each other. A call names an object on the worker's side by a number (0: none yet, the model is loaded by it), a
 * method of that object, and arguments; the answer has the call's number. `line` names the connection, of which a worker may serve several.
 */

export interface Line {
  readonly line: string;
}

/** A message before its line is written on it. */
export type Unaddressed<T> = T extends unknown ? Omit<T, "line"> : never;

export interface Call extends Line {
  readonly type: "call";
  readonly id: number;
  readonly target: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** To the worker. `hello` opens a line; `abort`: the call of this number should end; `drop`: the caller has let go of an object. */
export type Request =
  | Call
  | (Line & { readonly type: "hello" })
  | (Line & { readonly type: "abort"; readonly id: number })
  | (Line & { readonly type: "drop"; readonly target: number });

/** From the worker. `up`, to every line: it listens from now on; `ready`: it has heard this line's hello; `progress`: of the call that loads. */
export type Answer =
  | (Line & { readonly type: "ready"; readonly hasLifeline?: boolean })
  | (Line & { readonly type: "progress"; readonly id: number; readonly progress: unknown })
  | (Line & { readonly type: "value"; readonly id: number; readonly value: unknown })
  | (Line & { readonly type: "error"; readonly id: number; readonly error: PackedError });

/** An object that stays on the worker's side, and what of it does not change. */
export interface Handle {
  readonly kvasmHandle: number;
  readonly state: unknown;
}

/** An error without its class, which messages lose. */
export interface PackedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Of a KvasmError. */
  readonly code: string | undefined;
  readonly argument: string | undefined;
  readonly value: unknown;
  readonly cause: PackedError | undefined;
  /** It is the reason of an abort: the caller has the reason itself. */
  readonly isAbort: boolean;
}

/** One end of the line, whatever the runtime has for it. */
export interface Port {
  post(message: unknown, transfer: readonly ArrayBufferLike[]): void;
  /** Once. */
  listen(onMessage: (message: unknown) => void): void;
}

/** The caller's end. */
export interface WorkerPort extends Port {
  /** Called when the worker can no longer answer, with the reason. */
  onEnd(end: (reason: string, cause?: unknown) => void): void;
  terminate(): Promise<void>;
  /** Whether the worker alone keeps the process running; where there is no such thing, nothing. */
  hold(isBusy: boolean): void;
}
