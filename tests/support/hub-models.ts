/** Repositories for a Hub: small models with everything that real ones have beside them. */
import { fixture } from "./files.ts";
import { HUB_TEST } from "../../bindings/hub/keys.ts";
import type { HubTest } from "../../bindings/hub/settings.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** tests/fixtures/base as a repository: 689 KiB in one file. */
export async function baseRepository(): Promise<Record<string, Uint8Array>> {
  return {
    ".gitattributes": text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n"),
    "README.md": text("# A small model\n"),
    "config.json": await fixture("base/config.json"),
    "generation_config.json": text('{ "eos_token_id": [3, 5] }\n'),
    "model.safetensors": await fixture("base/model.safetensors"),
    "onnx/decoder.onnx": text("not wanted"),
  };
}

/** tests/fixtures/base-sharded: three files and an index. */
export async function shardedRepository(): Promise<Record<string, Uint8Array>> {
  const names = ["config.json", "model.safetensors.index.json", ...[1, 2, 3].map((n) => `model-0000${n}-of-00003.safetensors`)];
  return Object.fromEntries(await Promise.all(names.map(async (name): Promise<[string, Uint8Array]> => [name, await fixture(`base-sharded/${name}`)])));
}

/** Options that make a test quick: pieces of 64 KiB, and pauses of milliseconds. */
export function quickly<T extends object>(options: T, test: HubTest = {}): T {
  const timing = { firstPause: 2, longest: 20, answer: 2000, bytes: 2000, mostAsked: 500, ...test.timing };
  return Object.assign(options, { [HUB_TEST]: { pieceBytes: 1 << 16, ...test, timing } });
}
