/** What a page calls a path is an address relative to it; it has no files. */
import { KvasmError, shown } from "../errors.ts";
import { pageAddress } from "../hosts/page.ts";
import type { ModelFiles, OpenFile, SourceOptions } from "./files.ts";
import { gunzip } from "./gzip.ts";
import { httpFiles } from "./source-http.ts";
import { withGzip } from "./with-gzip.ts";
import type { Decompress } from "./with-gzip.ts";

export async function fromPath(path: string | URL, options: SourceOptions): Promise<ModelFiles> {
  const page = pageAddress();
  if (page === undefined || typeof path !== "string" || !/^[./]/.test(path)) return noFiles(path);
  return withGzip(httpFiles(new URL(path, page), options), gunzip);
}

export async function openFileUrl(url: URL): Promise<OpenFile | null> {
  return noFiles(url);
}

export function decompressorOf(_url: URL): Decompress {
  return gunzip;
}

function noFiles(path: string | URL): never {
  throw new KvasmError("unsupported", `source: ${shown(String(path))} is a path, and this build of kvasm, for browsers and edge runtimes, has no files. Pass an http(s) URL or the files' bytes; in Node, have the bundler leave kvasm outside (external), or resolve the condition "node".`, { argument: "source", value: path });
}
