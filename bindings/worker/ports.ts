/** Workers of every kind as ports. */
import type { Port, WorkerPort } from "./protocol.ts";

/** What pages, Deno and Bun have. */
export interface WebWorker {
  postMessage(message: unknown, transfer: any): void;
  addEventListener(type: string, listener: (event: any) => void): void;
  terminate(): void;
  ref?(): void;
  unref?(): void;
}

/** What node:worker_threads has. */
export interface NodeWorker {
  postMessage(message: unknown, transfer: any): void;
  on(type: string, listener: (...values: any[]) => void): unknown;
  terminate(): Promise<unknown>;
  ref(): void;
  unref(): void;
}

export type AnyWorker = WebWorker | NodeWorker;

export function isWorker(value: unknown): value is AnyWorker {
  return typeof value === "object" && value !== null && typeof (value as WebWorker).postMessage === "function"
    && (typeof (value as WebWorker).addEventListener === "function" || typeof (value as NodeWorker).on === "function");
}

/** Bun's workers end late, or never say so: they are not waited for longer. */
const PATIENCE = 1000;

/** `isOwn`: kvasm started it. Whether a worker of the caller's keeps the process running is the caller's affair. */
export function portOf(worker: AnyWorker, isOwn: boolean): WorkerPort {
  const on = "on" in worker && typeof worker.on === "function"
    ? (type: string, listener: (value: unknown) => void) => void worker.on(type, listener)
    : (type: string, listener: (value: unknown) => void) => (worker as WebWorker).addEventListener(type, listener);
  const isNode = "on" in worker && typeof worker.on === "function";
  return {
    post: (message, transfer) => worker.postMessage(message, transfer as never),
    listen: (onMessage) => on("message", (event) => onMessage(isNode ? event : (event as { data: unknown }).data)),
    onEnd(end) {
      on("error", (event) => {
        const { message, error } = event as { message?: string; error?: unknown };
        (event as { preventDefault?: () => void }).preventDefault?.();
        end(`it failed (${message || String(error ?? "no reason was given: its script cannot be loaded, or is not allowed here")}).`, isNode ? event : error);
      });
      on("messageerror", () => end("a message could not be read."));
      if (isNode) on("exit", (code) => end(`it ended (exit code ${String(code)}).`));
      else on("close", () => end("it ended."));
    },
    async terminate() {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => { timer = setTimeout(resolve, PATIENCE); });
      await Promise.race([Promise.resolve(worker.terminate()).catch(() => {}), late]);
      clearTimeout(timer);
    },
    hold: (isBusy) => isOwn ? void (isBusy ? worker.ref?.() : worker.unref?.()) : undefined,
  };
}

/** The worker's own end, in pages, Deno and Bun. */
export function webHostPort(): Port | undefined {
  const scope = globalThis as unknown as { postMessage?: (message: unknown, transfer: unknown) => void; addEventListener?: WebWorker["addEventListener"]; document?: unknown };
  if (typeof scope.postMessage !== "function" || typeof scope.addEventListener !== "function" || scope.document !== undefined) return undefined;
  return {
    post: (message, transfer) => scope.postMessage!(message, transfer),
    listen: (onMessage) => scope.addEventListener!("message", ((event: { data: unknown }) => onMessage(event.data)) as never),
  };
}
