/** The caller's end of the line: calls and their answers, aborts, and what happens when the worker ends. */
import { KvasmError } from "../errors.ts";
import { unpackError } from "./errors.ts";
import { watchLifeline } from "./lifeline.ts";
import type { Answer, Request, Unaddressed, WorkerPort } from "./protocol.ts";

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: never) => void) | undefined;
}

export interface CallOptions {
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
  /** Ends it in another way; its reason is thrown all the same. */
  readonly abortedBy?: AbortSignal | undefined;
  readonly onProgress?: ((progress: never) => void) | undefined;
  readonly transfer?: readonly unknown[];
}

export class Connection {
  readonly #port: WorkerPort;
  /** Its own name: others may talk with the same worker. */
  readonly #line = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");
  readonly #watch = new AbortController();
  readonly #pending = new Map<number, Pending>();
  #last = 0;
  /** Why no call can be made any more. */
  #over: KvasmError | undefined;
  #ready!: (hasLifeline: boolean) => void;
  readonly #isReady = new Promise<boolean>((resolve) => { this.#ready = resolve; });

  constructor(port: WorkerPort) {
    this.#port = port;
    port.listen((message) => this.#take(message as Answer));
    port.onEnd((reason, cause) => this.#end(new KvasmError("worker", `worker: ${reason}`, { argument: "worker", cause })));
  }

  /**
   * Resolves when the worker has answered.
   * @throws KvasmError `worker` after `deadline` milliseconds, or when it ends before; the signal's reason
   */
  async ready(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stop = (): void => {};
    this.#port.hold(true);
    const failed = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new KvasmError("worker", `worker: did not come up within the deadline of ${deadline} ms. Deploy its script, which calls serve() of "kvasm/worker/host", or give it more time.`, { argument: "deadline", value: deadline })), deadline);
      this.#pending.set(0, { resolve: () => {}, reject, signal: undefined, onProgress: undefined });
      stop = () => reject(signal!.reason);
    });
    try {
      if (signal?.aborted) stop();
      signal?.addEventListener("abort", stop);
      this.#post({ type: "hello" });
      const hasLifeline = await Promise.race([this.#isReady, failed]);
      if (hasLifeline) watchLifeline(this.#line, this.#watch.signal, () => this.#end(new KvasmError("worker", "worker: it was ended, or the browser ended it for want of memory. Connect again.", { argument: "worker" })));
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      this.#pending.delete(0);
      this.#port.hold(this.#pending.size > 0);
    }
  }

  call<T>(target: number, method: string, args: readonly unknown[], { signal, abortedBy = signal, onProgress, transfer = [] }: CallOptions = {}): Promise<T> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = ++this.#last;
    const abort = (): void => this.#post({ type: "abort", id });
    return new Promise<T>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, signal: abortedBy, onProgress });
      this.#port.hold(true);
      try {
        this.#post({ type: "call", id, target, method, args }, transfer as ArrayBufferLike[]);
      } catch (cause) {
        this.#settle(id);
        reject(new KvasmError("type", `${method}: an argument cannot cross to a worker (${String(cause)}).`, { argument: method, cause }));
      }
      signal?.addEventListener("abort", abort);
    }).finally(() => signal?.removeEventListener("abort", abort));
  }

  /** A generation's signal ends the call that began it, as long as it runs. */
  abort(id: number): void {
    if (this.#over === undefined) this.#post({ type: "abort", id });
  }

  get lastCall(): number {
    return this.#last;
  }

  drop(target: number): void {
    if (this.#over === undefined) this.#post({ type: "drop", target });
  }

  async close(terminates: boolean): Promise<void> {
    this.#end(new KvasmError("disposed", "model: was disposed, and its worker with it.", { argument: "model" }));
    if (terminates) await this.#port.terminate();
  }

  #post(request: Unaddressed<Request>, transfer: readonly ArrayBufferLike[] = []): void {
    this.#port.post({ ...request, line: this.#line }, transfer);
  }

  #take(answer: Answer | { readonly type: "up" }): void {
    // What was said before its script ran may be lost.
    if (answer?.type === "up") return this.#over === undefined ? this.#post({ type: "hello" }) : undefined;
    if (answer?.line !== this.#line) return;
    if (answer.type === "ready") return this.#ready(answer.hasLifeline === true);
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) return;
    if (answer.type === "progress") return pending.onProgress?.(answer.progress as never);
    this.#settle(answer.id);
    if (answer.type === "value") pending.resolve(answer.value as never);
    else pending.reject(answer.error.isAbort && pending.signal !== undefined ? pending.signal.reason : unpackError(answer.error));
  }

  #settle(id: number): void {
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#port.hold(false);
  }

  #end(error: KvasmError): void {
    this.#over ??= error;
    this.#watch.abort();
    const all = [...this.#pending.values()];
    this.#pending.clear();
    this.#port.hold(false);
    for (const { reject } of all) reject(error);
  }
}
