/** What keeps values by name in a browser, so that models can be kept: the origin's files, a cache, or memory. */

export interface Shelf {
  readonly description: string;
  /** undefined: there is none. */
  get(path: string): Promise<Blob | undefined>;
  /** A value in one step: whoever looks sees the one before or this one, or, if the page ends meanwhile, an empty or shorter one. */
  put(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** A value, or a folder with all in it; nothing if there is none. */
  remove(path: string): Promise<void>;
  /** What lies directly in a folder. */
  list(folder: string): Promise<readonly Item[]>;
  /** All values in a folder and in those within; paths relative to it. */
  all(folder: string): Promise<readonly Value[]>;
}

export interface Item {
  readonly name: string;
  readonly isFolder: boolean;
}

export interface Value {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly changed: number;
}

/** In the origin's files the folder, among its caches the one, that is ours. */
export const PLACE = "kvasm-hub";

/** The direct items among paths that lie in a folder. */
export function itemsOf(paths: Iterable<string>): Item[] {
  const items = new Map<string, boolean>();
  for (const path of paths) {
    const at = path.indexOf("/");
    items.set(at < 0 ? path : path.slice(0, at), at >= 0);
  }
  return [...items].map(([name, isFolder]) => ({ name, isFolder }));
}
