import type { ModelFiles } from "./files.ts";

export type Decompress = (packed: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>;

/** What is opened by a name that ends in .gz comes decompressed. */
export function withGzip(files: ModelFiles, decompress: Decompress): ModelFiles {
  return {
    ...files,
    async open(name) {
      const file = await files.open(name);
      return file === null || !name.endsWith(".gz") ? file : { stream: await decompress(file.stream), size: undefined };
    },
  };
}
