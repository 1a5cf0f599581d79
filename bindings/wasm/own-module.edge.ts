/** Next.js and Vercel's edge functions compile modules when they are built, and none from bytes: theirs is imported, by their name for it. */
import wasm from "kvasm/kvasm.wasm?module";

export async function ownModule(): Promise<WebAssembly.Module> {
  return wasm;
}
