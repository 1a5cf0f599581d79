import { KvasmError, shown } from "../errors.ts";
import type { HubFile, Store } from "./store.ts";

/** Before files are downloaded: whether what is missing of all of them fits. @throws KvasmError `space` */
export async function checkSpace(store: Store, repository: string, files: readonly HubFile[]): Promise<void> {
  const blobs = new Map(files.map((file) => [file.digest.hex, file]));
  let needed = 0;
  for (const file of blobs.values()) needed += await store.missingBytes(repository, file);
  const { free } = await store.space();
  if (needed > 0 && free !== undefined && free < needed) throw noSpace(store, repository, needed, free);
}

/** @param what does not fit: a repository, or a file */
export function noSpace(store: Store, what: string, needed: number, free: number): KvasmError {
  return new KvasmError("space", `source: ${shown(what)}: needs ${needed} bytes more, and ${free} are free in ${store.description}. ${store.spaceCure} What was downloaded stays.`, { argument: "source", value: needed });
}
