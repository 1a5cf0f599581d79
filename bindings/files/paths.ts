/** Paths and file: URLs, where there are files. In what browsers get, paths.browser.ts stands here. */
import { pageAddress } from "../hosts/page.ts";
import type { ModelFiles, OpenFile, SourceOptions } from "./files.ts";
import { gunzip } from "./gzip.ts";
import { gunzipByNode } from "./gzip-node.ts";
import { httpFiles } from "./source-http.ts";
import { openPath, pathFiles } from "./source-path.ts";
import { withGzip } from "./with-gzip.ts";
import type { Decompress } from "./with-gzip.ts";

/** A folder or file of this machine; where a page runs this, an address relative to it. */
export async function fromPath(path: string | URL, options: SourceOptions): Promise<ModelFiles> {
  const page = pageAddress();
  if (page !== undefined && typeof path === "string" && /^[./]/.test(path)) return withGzip(httpFiles(new URL(path, page), options), gunzip);
  return withGzip(await pathFiles(path), gunzipByNode);
}

/** One file by its file: URL; null if there is none. */
export async function openFileUrl(url: URL): Promise<OpenFile | null> {
  return openPath(url);
}

/** The faster of two, for a file that is here. */
export function decompressorOf(url: URL): Decompress {
  return url.protocol === "file:" ? gunzipByNode : gunzip;
}
