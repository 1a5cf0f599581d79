/** The worker that kvasm starts by itself, and its end of the line. In what browsers get, spawn.browser.ts stands here. */
import { webHostPort } from "./ports.ts";
import type { AnyWorker } from "./ports.ts";
import type { Port } from "./protocol.ts";

const isNode = (): boolean => !("Bun" in globalThis) && !("Deno" in globalThis) && (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node !== undefined;

export async function spawn(): Promise<AnyWorker> {
  if (!isNode()) return new Worker(new URL("./worker-script.js", import.meta.url), { type: "module" }) as unknown as AnyWorker;
  const { Worker: NodeWorker } = await import("node:worker_threads");
  return new NodeWorker(new URL("./worker-script.js", import.meta.url));
}

export async function hostPort(): Promise<Port | undefined> {
  if (!isNode()) return webHostPort();
  const { parentPort } = await import("node:worker_threads");
  return parentPort === null ? undefined : {
    post: (message, transfer) => parentPort.postMessage(message, transfer as ArrayBuffer[]),
    listen: (onMessage) => void parentPort.on("message", onMessage),
  };
}
