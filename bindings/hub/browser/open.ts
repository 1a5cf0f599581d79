/** The store that this browser has: the origin's files, or its cache, or memory. */
import type { Store } from "../store.ts";
import { CachedAnswers } from "./cached-answers.ts";
import { MemoryShelf } from "./memory-shelf.ts";
import { OriginFiles } from "./origin-files.ts";
import { ShelfStore } from "./store.ts";

let store: Promise<Store> | undefined;

/** One for all of the page or worker. */
export function browserStore(): Promise<Store> {
  return store ??= best();
}

async function best(): Promise<Store> {
  return new ShelfStore(await OriginFiles.open() ?? await CachedAnswers.open() ?? new MemoryShelf());
}
