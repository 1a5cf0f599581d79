/** Workers that a test makes itself, as a user would. */
import type { AnyWorker } from "../../bindings/entries/worker.ts";
import { repositoryUrl } from "./files.ts";

/** A script of the repository in a worker: of node:worker_threads in Node, a module worker elsewhere. */
export async function startWorker(path: string): Promise<AnyWorker> {
  const url = repositoryUrl(path);
  if ("Deno" in globalThis || "Bun" in globalThis) return new Worker(url, { type: "module" });
  const { Worker: NodeWorker } = await import("node:worker_threads");
  return new NodeWorker(url);
}
