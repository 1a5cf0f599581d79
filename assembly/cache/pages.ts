import { Header } from "../memory/header";

// The page pool: a stack of free page numbers and a count of holders for each page.

export function initialisePages(h: Header): void {
  for (let i: u32 = 0; i < h.pages; i++) {
    store<u32>(h.freeList + (i << 2), h.pages - 1 - i); // page 0 is handed out first
    store<u32>(h.references + (i << 2), 0);
  }
  h.freeCount = h.pages;
  // Beside heads whose size is no multiple of 16 there are places that no token is ever written to. Saved pages hold them, and must hold nothing.
  if (h.headSize & 15) memory.fill(h.pagePool, 0, h.pagePoolBytes);
}

/** First byte of a page's keys in a layer. */
// @ts-ignore: decorator
@inline
export function keysOf(h: Header, layer: u32, page: u32): usize {
  return h.pagePool + <usize>layer * h.poolLayerBytes + <usize>page * h.keyPageBytes;
}

/** First byte of a page's values in a layer. */
// @ts-ignore: decorator
@inline
export function valuesOf(h: Header, layer: u32, page: u32): usize {
  return h.pagePool + <usize>layer * h.poolLayerBytes + h.poolValues + <usize>page * h.valuePageBytes;
}

/** A page, held once; what stood there before is never looked at. The caller has made sure there is one. */
export function takePage(h: Header): u32 {
  h.freeCount--;
  const page = load<u32>(h.freeList + (<usize>h.freeCount << 2));
  store<u32>(h.references + (<usize>page << 2), 1);
  return page;
}

export function holdPage(h: Header, page: u32): void {
  const count = h.references + (<usize>page << 2);
  store<u32>(count, load<u32>(count) + 1);
}

export function dropPage(h: Header, page: u32): void {
  const count = h.references + (<usize>page << 2);
  const left = load<u32>(count) - 1;
  store<u32>(count, left);
  if (left == 0) {
    store<u32>(h.freeList + (<usize>h.freeCount << 2), page);
    h.freeCount++;
  }
}

// @ts-ignore: decorator
@inline
export function isShared(h: Header, page: u32): bool {
  return load<u32>(h.references + (<usize>page << 2)) > 1;
}

/** A held copy of a page. */
export function copyPage(h: Header, page: u32): u32 {
  h.freeCount--;
  const copy = load<u32>(h.freeList + (<usize>h.freeCount << 2));
  store<u32>(h.references + (<usize>copy << 2), 1);
  for (let layer: u32 = 0; layer < h.layers; layer++) {
    memory.copy(keysOf(h, layer, copy), keysOf(h, layer, page), h.keyPageBytes);
    memory.copy(valuesOf(h, layer, copy), valuesOf(h, layer, page), h.valuePageBytes);
  }
  return copy;
}
