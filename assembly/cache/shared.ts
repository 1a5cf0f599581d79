import { Header } from "../memory/header";
import { dropPage, holdPage, knowPage } from "./pages";
import { openSlot, pageTable, pagesFor, slotAddress } from "./sequences";

// Pages of a prefix that several sequences begin with. Which tokens a page stands for is known to the bindings (bindings/cache/prefixes.ts).

// @ts-ignore: decorator
@inline
function entryOf(h: Header, slot: u32, index: u32): usize { return pageTable(h, slot) + (<usize>index << 2); }

/** A sequence's page `index` is known from now on. Returns its number. */
export function knowPageOf(h: Header, slot: u32, index: u32): u32 {
  const page = load<u32>(entryOf(h, slot, index));
  knowPage(h, page);
  return page;
}

/** The sequence holds `page`, which has the same bits, in the place of its own page `index`. */
export function adoptPage(h: Header, slot: u32, index: u32, page: u32): void {
  const entry = entryOf(h, slot, index);
  const own = load<u32>(entry);
  if (own == page) return;
  holdPage(h, page);
  dropPage(h, own);
  store<u32>(entry, page);
}

/** A sequence of `length` tokens in known pages, u32 numbers at `pages`, its ids the caller's to fill, without a last row; −1 if no slot is free. */
export function openShared(h: Header, pages: usize, length: u32): i32 {
  const slot = openSlot(h);
  if (slot < 0) return -1;
  const count = pagesFor(length);
  for (let i: u32 = 0; i < count; i++) {
    const page = load<u32>(pages + (<usize>i << 2));
    holdPage(h, page);
    store<u32>(entryOf(h, slot, i), page);
  }
  store<u32>(slotAddress(h, slot), length, 4);
  return slot;
}
