/** As own-module.ts, for what is sent over a network: the bytes compressed, since base64 of them compresses badly (28 kB, instead of 21). */
import { KvasmError } from "../errors.ts";
import { lazily } from "../hosts/lazily.ts";
import { hasFastDot } from "./relaxed.ts";

export async function ownModule(): Promise<ArrayBuffer> {
  const { default: packed } = await lazily(() => hasFastDot() ? import("../../dist/kvasm.relaxed.wasm?gzip") : import("../../dist/kvasm.wasm?gzip"));
  try {
    return await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  } catch (cause) {
    throw new KvasmError("engine", `wasm: this host does not decompress the module (${String(cause)}). Pass \`wasm\`: a WebAssembly.Module, its bytes or a Response, of kvasm/kvasm.wasm.`, { argument: "wasm", cause });
  }
}
