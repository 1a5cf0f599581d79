/** The Cache API, which keeps answers of a server: ours are answers that nobody has asked for. */
import { PLACE, itemsOf } from "./shelf.ts";
import type { Item, Shelf, Value } from "./shelf.ts";

/** Never asked for: names by which a cache finds what was put there. */
const ADDRESS = "https://kvasm.invalid/";

export class CachedAnswers implements Shelf {
  readonly description = "the browser's cache of this origin";
  readonly #cache: Cache;

  private constructor(cache: Cache) {
    this.#cache = cache;
  }

  /** undefined: this browser has none here. */
  static async open(): Promise<CachedAnswers | undefined> {
    try {
      return new CachedAnswers(await caches.open(PLACE));
    } catch {
      return undefined;
    }
  }

  async get(path: string): Promise<Blob | undefined> {
    return (await this.#cache.match(ADDRESS + path))?.blob();
  }

  async put(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#cache.put(ADDRESS + path, new Response(bytes, { headers: { "content-length": String(bytes.length), "x-changed": String(Date.now()) } }));
  }

  async remove(path: string): Promise<void> {
    const whole = ADDRESS + path;
    const below = (await this.#cache.keys()).filter(({ url }) => url === whole || url.startsWith(`${whole}/`));
    await Promise.all(below.map((request) => this.#cache.delete(request)));
  }

  async list(folder: string): Promise<readonly Item[]> {
    return itemsOf(await this.#paths(folder));
  }

  async all(folder: string): Promise<readonly Value[]> {
    const values = await Promise.all((await this.#paths(folder)).map(async (path): Promise<Value | undefined> => {
      const headers = (await this.#cache.match(ADDRESS + joined(folder, path)))?.headers;
      return headers && { path, size: Number(headers.get("content-length")), changed: Number(headers.get("x-changed")) };
    }));
    return values.filter((value) => value !== undefined);
  }

  async #paths(folder: string): Promise<string[]> {
    const start = ADDRESS + joined(folder, "");
    return (await this.#cache.keys()).filter(({ url }) => url.startsWith(start)).map(({ url }) => url.slice(start.length));
  }
}

function joined(folder: string, path: string): string {
  return folder === "" ? path : `${folder}/${path}`;
}
