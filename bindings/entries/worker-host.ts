/** `kvasm/worker/host`: what a worker of your own runs, `serve()`. */
import { KvasmError } from "../errors.ts";
import { serveOn } from "../worker/host.ts";
import { hostPort } from "../worker/spawn.ts";

/**
 * Answers the calls of `connect({ worker })`.
 * @throws KvasmError `unsupported` outside a worker
 */
export async function serve(): Promise<void> {
  const port = await hostPort();
  if (port === undefined) throw new KvasmError("unsupported", "serve: this is no worker. Call it in the script of one.");
  serveOn(port);
}
