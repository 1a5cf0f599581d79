import { spawnWeb } from "./web.ts";
import type { ThreadWorker } from "./web.ts";

export type { ThreadWorker };

export async function spawnThread(failed: (reason: string) => void, url: string | URL | undefined): Promise<ThreadWorker> {
  return spawnWeb(failed, url);
}
