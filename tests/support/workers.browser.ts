/** The same as workers.ts, in a page. */
import { repositoryUrl } from "./files.ts";

export async function startWorker(path: string): Promise<Worker> {
  return new Worker(repositoryUrl(path), { type: "module" });
}
