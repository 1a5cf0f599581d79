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

/** Of a file that was asked for by its name, the compressed or uncompressed form beside it is another file. @param gz ".gz" where that was named */
export function isOtherForm(name: string, gz: string | undefined): boolean {
  return name === (gz === undefined ? "model.safetensors.gz" : "model.safetensors");
}
