/** As wasm/own-module.browser.ts, for threads: the artifact with a shared memory. */
import { lazily } from "../hosts/lazily.ts";
import { hasFastDot } from "../wasm/relaxed.ts";

export async function threadsModule(): Promise<ArrayBuffer | undefined> {
  const { default: packed } = await lazily(() => hasFastDot() ? import("../../dist/kvasm.threads.relaxed.wasm?gzip") : import("../../dist/kvasm.threads.wasm?gzip"));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
