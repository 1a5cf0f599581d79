import type { ModelFiles } from "./files.ts";

export type Decompress = (packed: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>;

/** Weights may lie compressed beside, or instead of, the plain file. */
export function withGzip(files: ModelFiles, decompress: Decompress): ModelFiles {
  return {
    ...files,
    async open(name) {
      const plain = await files.open(name);
      if (plain !== null || !name.endsWith(".safetensors")) return plain;
      const packed = await files.open(name + ".gz");
      return packed && { stream: await decompress(packed.stream), size: undefined };
    },
  };
}
