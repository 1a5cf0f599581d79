/** Where a browser keeps nothing for us: as long as the page lives. */
import { itemsOf } from "./shelf.ts";
import type { Item, Shelf, Value } from "./shelf.ts";

export class MemoryShelf implements Shelf {
  readonly description = "the page's memory";
  readonly #values = new Map<string, { blob: Blob; changed: number }>();

  async get(path: string): Promise<Blob | undefined> {
    return this.#values.get(path)?.blob;
  }

  async put(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#values.set(path, { blob: new Blob([bytes]), changed: Date.now() });
  }

  async remove(path: string): Promise<void> {
    for (const one of [...this.#values.keys()]) if (one === path || one.startsWith(`${path}/`)) this.#values.delete(one);
  }

  async list(folder: string): Promise<readonly Item[]> {
    return itemsOf((await this.all(folder)).map(({ path }) => path));
  }

  async all(folder: string): Promise<readonly Value[]> {
    const start = folder === "" ? "" : `${folder}/`;
    return [...this.#values].filter(([path]) => path.startsWith(start)).map(([path, { blob, changed }]) => ({ path: path.slice(start.length), size: blob.size, changed }));
  }
}
