import { Header, NO_PAGE } from "../memory/header";

// The page pool: a stack of free page numbers and a count of holders for each page.

export function initialisePages(h: Header): void {
  for (let i: u32 = 0; i < h.pages; i++) {
    store<u32>(h.freeList + (i << 2), h.pages - 1 - i); // page 0 is handed out first
    store<u32>(h.references + (i << 2), 0);
  }
  h.freeCount = h.pages;
}

// @ts-ignore: decorator
@inline
export function pageAddress(h: Header, page: u32): usize {
  return h.pagePool + <usize>page * h.pageBytes;
}

/** A page of zeros (0 · what stood there before must not be NaN), held once. The caller has made sure there is one. */
export function takePage(h: Header): u32 {
  h.freeCount--;
  const page = load<u32>(h.freeList + (<usize>h.freeCount << 2));
  store<u32>(h.references + (<usize>page << 2), 1);
  memory.fill(pageAddress(h, page), 0, h.pageBytes);
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
  memory.copy(pageAddress(h, copy), pageAddress(h, page), h.pageBytes);
  return copy;
}
