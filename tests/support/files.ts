/**
 * Files that suites read, in Node, Deno and Bun. The build puts suites into build/tests/KIND/, three folders below the
 * repository's root.
 */
import { readFile } from "node:fs/promises";

const root = new URL("../../../", import.meta.url);

/** A file of the repository as a URL that the runtime can read: file: here, http: in a browser. */
export function repositoryUrl(path: string): URL {
  const url = new URL(path, root);
  if (!url.href.startsWith(root.href)) throw new Error(`${path} is outside the repository`);
  return url;
}

/** Bytes of a file, path relative to the repository's root. The array is a copy of its own, not a view of a pool. */
export async function repositoryFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return Uint8Array.from(await readFile(repositoryUrl(path)));
}

/** Bytes of a file in tests/fixtures. */
export const fixture = (path: string): Promise<Uint8Array<ArrayBuffer>> => repositoryFile(`tests/fixtures/${path}`);

/** Text of a file in tests/fixtures. */
export const fixtureText = async (path: string): Promise<string> => new TextDecoder().decode(await fixture(path));

export const fixtureUrl = (path: string): URL => repositoryUrl(`tests/fixtures/${path}`);

/** Bytes of a file in models/stories. */
export const storiesFile = (name: string): Promise<Uint8Array<ArrayBuffer>> => repositoryFile(`models/stories/${name}`);

export const storiesText = async (name: string): Promise<string> => new TextDecoder().decode(await storiesFile(name));
