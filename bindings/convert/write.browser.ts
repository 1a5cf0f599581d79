/** Stands in for write.ts where there are no files. */
import { KvasmError, shown } from "../errors.ts";
import type { ModelBytes } from "../files/files.ts";
import type { Converted, ConvertOptions } from "./write.ts";

export async function convert(_source: string | URL | ModelBytes | undefined, out: string | URL, _options: ConvertOptions): Promise<Converted> {
  throw new KvasmError("unsupported", `out: ${shown(String(out))}: this build of kvasm, for browsers and edge runtimes, has no files. Use convertFiles and write the files where you want them.`, { argument: "out", value: out });
}
