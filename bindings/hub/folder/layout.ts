/**
 * Names in the cache folder of Hugging Face's tools, which this shares with them:
 * ```
 * CACHEDIR.TAG
 * .locks/models--owner--name/HEX.kvasm.lock      who downloads a blob
 * models--owner--name/
 *   refs/main                                    a commit
 *   blobs/HEX                                    a file's content, by its digest
 *   blobs/HEX.kvasm.incomplete, HEX.kvasm.ranges  one that is on its way, and what of it is here
 *   snapshots/COMMIT/config.json                 a link to a blob; where there are no links, a file
 *   .no_exist/COMMIT/tokenizer.json              asked for, and not there
 *   trees/COMMIT.json                            what the hub lists
 * ```
 * Names that are ours alone have "kvasm" in them: what others write to HEX.incomplete follows rules of their own.
 */
import { join } from "node:path";
import type { Digest } from "../store.ts";

const PREFIX = "models--";

export function repositoryFolder(root: string, repository: string): string {
  return join(root, PREFIX + repository.replace("/", "--"));
}

/** The repository of a folder's name; undefined: it is none of a model. */
export function repositoryOf(folder: string): string | undefined {
  return folder.startsWith(PREFIX) ? folder.slice(PREFIX.length).replace("--", "/") : undefined;
}

export function blobPath(folder: string, { hex }: Digest): string {
  return join(folder, "blobs", hex);
}

export const INCOMPLETE = ".kvasm.incomplete";
export const RANGES = ".kvasm.ranges";

export function lockPath(root: string, repository: string, { hex }: Digest): string {
  return join(root, ".locks", PREFIX + repository.replace("/", "--"), `${hex}.kvasm.lock`);
}

export function snapshotPath(folder: string, commit: string, path = ""): string {
  return join(folder, "snapshots", commit, ...path.split("/"));
}

/** The digest that a blob's name is. */
export function digestOf(name: string): Digest | undefined {
  if (/^[0-9a-f]{64}$/.test(name)) return { kind: "sha256", hex: name };
  return /^[0-9a-f]{40}$/.test(name) ? { kind: "git", hex: name } : undefined;
}
