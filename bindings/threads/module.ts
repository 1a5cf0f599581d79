/** As wasm/own-module.ts, for threads: the artifact with a shared memory. */
import { lazily } from "../hosts/lazily.ts";
import { hasFastDot } from "../wasm/relaxed.ts";

export async function threadsModule(): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { default: bytes } = await lazily(() => hasFastDot() ? import("../../dist/kvasm.threads.relaxed.wasm") : import("../../dist/kvasm.threads.wasm"));
  return bytes;
}
