import { Header } from "../memory/header";

// The page pool: a stack of free page numbers and a count of holders for each page. A page may also be known, as one of a prefix that others
// may share (cache/shared.ts): then it is not written to any more, and stays when its last holder lets go, idle, until it is forgotten.

const KNOWN: u32 = 0x80000000; // of a page's count

export function initialisePages(h: Header): void {
  for (let i: u32 = 0; i < h.pages; i++) {
    store<u32>(h.freeList + (i << 2), h.pages - 1 - i); // page 0 is handed out first
    store<u32>(h.references + (i << 2), 0);
  }
  h.freeCount = h.pages;
  h.idleCount = 0;
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

// @ts-ignore: decorator
@inline
function countOf(h: Header, page: u32): usize { return h.references + (<usize>page << 2); }

// @ts-ignore: decorator
@inline
export function holdersOf(h: Header, page: u32): u32 { return load<u32>(countOf(h, page)) & ~KNOWN; }

export function holdPage(h: Header, page: u32): void {
  const count = load<u32>(countOf(h, page));
  if (count == KNOWN) h.idleCount--;
  store<u32>(countOf(h, page), count + 1);
}

export function dropPage(h: Header, page: u32): void {
  const left = load<u32>(countOf(h, page)) - 1;
  store<u32>(countOf(h, page), left);
  if (left == 0) freePage(h, page);
  else if (left == KNOWN) h.idleCount++;
}

function freePage(h: Header, page: u32): void {
  store<u32>(h.freeList + (<usize>h.freeCount << 2), page);
  h.freeCount++;
}

/** The page is held, and known from now on. */
export function knowPage(h: Header, page: u32): void { store<u32>(countOf(h, page), load<u32>(countOf(h, page)) | KNOWN); }

/** No longer known; an idle page is free then. */
export function forgetPage(h: Header, page: u32): void {
  const left = holdersOf(h, page);
  store<u32>(countOf(h, page), left);
  if (left != 0) return;
  h.idleCount--;
  freePage(h, page);
}

/** Whoever writes needs a copy. */
// @ts-ignore: decorator
@inline
export function isShared(h: Header, page: u32): bool { return load<u32>(countOf(h, page)) > 1; }

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
