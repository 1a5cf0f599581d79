import { convertFiles } from "../../bindings/convert/index.ts";
import type { ConvertFilesOptions } from "../../bindings/convert/index.ts";
import type { ModelBytes } from "../../bindings/index.ts";
import type { Files } from "./models.ts";

export const WEIGHTS = ["f32", "q8", "q4"] as const;
export const CACHES = ["f32", "f16", "q8"] as const;

/** What convertFiles gives, as a source that load takes. */
export async function converted(source: ModelBytes | string | URL | undefined, options: ConvertFilesOptions): Promise<Files> {
  const files: Files = {};
  for await (const { name, size, data } of convertFiles(source, options)) {
    const pieces: Uint8Array[] = [];
    for await (const piece of data()) pieces.push(piece.slice());
    const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    if (size !== undefined && size !== bytes.length) throw new Error(`${name}: ${bytes.length} bytes, ${size} were announced`);
    files[name] = bytes;
  }
  return files;
}
