/** The same as files.ts, over the test page's server, which serves the repository's root. */
const root = new URL("/", location.href);

export function repositoryUrl(path: string): URL {
  return new URL(path, root);
}

export async function repositoryFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(repositoryUrl(path));
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

export const fixture = (path: string): Promise<Uint8Array<ArrayBuffer>> => repositoryFile(`tests/fixtures/${path}`);

export const fixtureText = async (path: string): Promise<string> => new TextDecoder().decode(await fixture(path));

export const fixtureUrl = (path: string): URL => repositoryUrl(`tests/fixtures/${path}`);

export const storiesFile = (name: string): Promise<Uint8Array<ArrayBuffer>> => repositoryFile(`models/stories/${name}`);

export const storiesText = async (name: string): Promise<string> => new TextDecoder().decode(await storiesFile(name));
