/** Bundlers follow the address as it is written here. */
import { webHostPort } from "./ports.ts";
import type { AnyWorker } from "./ports.ts";
import type { Port } from "./protocol.ts";

export async function spawn(): Promise<AnyWorker> {
  return new Worker(new URL("./worker-script.browser.js", import.meta.url), { type: "module" }) as unknown as AnyWorker;
}

export async function hostPort(): Promise<Port | undefined> {
  return webHostPort();
}
