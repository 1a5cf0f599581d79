/** A worker of kvasm's own threads. In what browsers get, spawn.browser.ts stands here. */
import { runWorker } from "./script.ts";
import { spawnWeb } from "./web.ts";
import type { ThreadWorker } from "./web.ts";

export type { ThreadWorker };

const SCRIPT = `import { parentPort } from "node:worker_threads"; (${runWorker})((take) => parentPort.on("message", (message) => { if (take(message)) parentPort.close(); }));`;

/** @param failed called with a reason, part of a sentence, when the worker fails or ends by itself */
export async function spawnThread(failed: (reason: string) => void, url: string | URL | undefined): Promise<ThreadWorker> {
  if ((globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node === undefined) return spawnWeb(failed, url);
  const { Worker } = await import("node:worker_threads");
  const worker = new Worker(url === undefined ? new URL(`data:text/javascript,${encodeURIComponent(SCRIPT)}`) : url);
  let isEnding = false;
  worker.on("error", (error) => failed(`a worker failed (${String(error)})`));
  worker.on("exit", () => { if (!isEnding) failed("a worker ended"); });
  worker.unref(); // a model that waits for its user does not keep the process
  return {
    post: (message) => worker.postMessage(message),
    end() {
      isEnding = true;
      void worker.terminate();
    },
  };
}
