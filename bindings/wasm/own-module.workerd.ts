/** Cloudflare Workers compile modules when they are deployed, and none from bytes: theirs is imported. */
import wasm from "kvasm/kvasm.wasm";

export async function ownModule(): Promise<WebAssembly.Module> {
  return wasm;
}
