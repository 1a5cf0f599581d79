import { PAGE_TOKENS } from "../contract";
import { Entry, NO_PAGE } from "../memory/entry";
import { Header } from "../memory/header";
import { SLOT_FIELDS } from "../memory/layout";
import { copyPage, dropPage, holdPage, isShared, takePage } from "./pages";

// A sequence is a slot:
//   u32 open, u32 length, u32 lastLength, u32 spare, u32 pages[contextPages], u32 ids[context], f32 last[width]
// `last` is the final-norm row of the token at lastLength − 1; it belongs to the sequence's end while lastLength = length.

// @ts-ignore: decorator
@inline
export function slotAddress(h: Header, slot: u32): usize { return h.slot0 + <usize>slot * h.slotBytes; }
// @ts-ignore: decorator
@inline
export function lengthOf(h: Header, slot: u32): u32 { return load<u32>(slotAddress(h, slot), 4); }
// @ts-ignore: decorator
@inline
export function pageTable(h: Header, slot: u32): usize { return slotAddress(h, slot) + (<usize>SLOT_FIELDS << 2); }
// @ts-ignore: decorator
@inline
export function idsOf(h: Header, slot: u32): usize {
  return slotAddress(h, slot) + ((((<usize>SLOT_FIELDS + h.contextPages) << 2) + 63) & ~63);
}
// @ts-ignore: decorator
@inline
export function lastRow(h: Header, slot: u32): usize { return idsOf(h, slot) + h.scoreBytes; }

export function hasLast(h: Header, slot: u32): bool {
  const s = slotAddress(h, slot);
  return load<u32>(s, 4) != 0 && load<u32>(s, 4) == load<u32>(s, 8);
}

export function initialiseSlots(h: Header): void {
  for (let i: u32 = 0; i < h.slots; i++) memory.fill(slotAddress(h, i), 0, <usize>SLOT_FIELDS << 2);
}

export function openSlot(h: Header): i32 {
  for (let i: u32 = 0; i < h.slots; i++) {
    const s = slotAddress(h, i);
    if (!load<u32>(s)) {
      store<u32>(s, 1); // closed, it had no token
      return <i32>i;
    }
  }
  return -1;
}

/** Pages that `length` tokens occupy. */
// @ts-ignore: decorator
@inline
export function pagesFor(length: u32): u32 { return (length + PAGE_TOKENS - 1) / PAGE_TOKENS; }

export function truncateSlot(h: Header, slot: u32, length: u32): void {
  const s = slotAddress(h, slot);
  const keep = pagesFor(length);
  const held = pagesFor(load<u32>(s, 4));
  const table = pageTable(h, slot);
  for (let i = keep; i < held; i++) dropPage(h, load<u32>(table + (<usize>i << 2)));
  store<u32>(s, length, 4);
  if (length < load<u32>(s, 8)) store<u32>(s, 0, 8);
}

export function closeSlot(h: Header, slot: u32): void {
  truncateSlot(h, slot, 0);
  store<u32>(slotAddress(h, slot), 0);
}

export function forkSlot(h: Header, slot: u32): i32 {
  const fork = openSlot(h);
  if (fork < 0) return -1;
  const from = slotAddress(h, slot), to = slotAddress(h, fork);
  const length = load<u32>(from, 4);
  const pages = pagesFor(length);
  const table = pageTable(h, slot);
  for (let i: u32 = 0; i < pages; i++) holdPage(h, load<u32>(table + (<usize>i << 2)));
  memory.copy(pageTable(h, fork), table, <usize>pages << 2);
  memory.copy(idsOf(h, fork), idsOf(h, slot), <usize>length << 2);
  store<u32>(to, length, 4);
  if (hasLast(h, slot)) {
    memory.copy(lastRow(h, fork), lastRow(h, slot), h.rowBytes);
    store<u32>(to, length, 8);
  }
  return fork;
}

/** 1 if appending writes into a last page that another sequence holds as well. */
function copiesLastPage(h: Header, slot: u32): u32 {
  const length = lengthOf(h, slot);
  if (length % PAGE_TOKENS == 0) return 0;
  return isShared(h, load<u32>(pageTable(h, slot) + (<usize>(length / PAGE_TOKENS) << 2))) ? 1 : 0;
}

/** Pages that appending `rows` tokens takes from the pool. */
export function pagesNeeded(h: Header, slot: u32, rows: u32): u32 {
  const length = lengthOf(h, slot);
  return pagesFor(length + rows) - pagesFor(length) + (rows ? copiesLastPage(h, slot) : 0);
}

/** Takes the pages of an entry of a step: a copy of a shared last page, then new ones. There are enough. */
export function takeStepPages(h: Header, entry: Entry): void {
  const length = entry.start;
  const table = pageTable(h, entry.slot);
  entry.sharedPage = NO_PAGE;
  if (copiesLastPage(h, entry.slot)) {
    const place = table + (<usize>(length / PAGE_TOKENS) << 2);
    entry.sharedPage = load<u32>(place);
    store<u32>(place, copyPage(h, entry.sharedPage));
  }
  const held = pagesFor(length);
  const wanted = pagesFor(length + entry.rows);
  for (let i = held; i < wanted; i++) store<u32>(table + (<usize>i << 2), takePage(h));
  entry.newPages = wanted - held;
}

/** Undoes takeStepPages. */
export function returnStepPages(h: Header, entry: Entry): void {
  const table = pageTable(h, entry.slot);
  const held = pagesFor(entry.start);
  for (let i: u32 = 0; i < entry.newPages; i++) dropPage(h, load<u32>(table + (<usize>(held + i) << 2)));
  if (entry.sharedPage != NO_PAGE) {
    const place = table + (<usize>(entry.start / PAGE_TOKENS) << 2);
    dropPage(h, load<u32>(place));
    store<u32>(place, entry.sharedPage);
  }
}

/** The entry's rows are the sequence's last tokens now. */
export function commitRows(h: Header, entry: Entry): void {
  if (entry.sharedPage != NO_PAGE) dropPage(h, entry.sharedPage);
  memory.copy(idsOf(h, entry.slot) + (<usize>entry.start << 2), h.ids + (<usize>entry.first << 2), <usize>entry.rows << 2);
  store<u32>(slotAddress(h, entry.slot), entry.start + entry.rows, 4);
}

/** Keeps the final-norm row of the sequence's last token. */
export function setLast(h: Header, slot: u32, row: usize): void {
  memory.copy(lastRow(h, slot), row, h.rowBytes);
  store<u32>(slotAddress(h, slot), lengthOf(h, slot), 8);
}
