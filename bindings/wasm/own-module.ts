/**
 * The bytes of the module that belongs to these bindings. They are inside JavaScript, each module in a chunk of its own: there is no
 * file whose address would have to be guessed, and nothing that a bundler has to be told.
 */
import { lazily } from "../hosts/lazily.ts";
import { hasFastDot } from "./relaxed.ts";

/** kvasm.relaxed.wasm where that is the faster one, else kvasm.wasm: the bits that they compute are the same. */
export async function ownModule(): Promise<Uint8Array<ArrayBuffer>> {
  const { default: bytes } = await lazily(() => hasFastDot() ? import("../../dist/kvasm.relaxed.wasm") : import("../../dist/kvasm.wasm"));
  return bytes;
}
