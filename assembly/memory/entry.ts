import { ENTRY_WORDS } from "../contract";
import { Header } from "./header";

/** One sequence's share of a step: `rows` rows from `first` on. The bindings write slot, rows and mode; beginStep the rest. */
@unmanaged
export class Entry {
  slot: u32;
  rows: u32;
  mode: u32; // MODE_*
  first: u32;
  start: u32; // tokens that the sequence has before the step: the position of its first row
  newPages: u32;
  sharedPage: u32; // the page, held by other sequences as well, that this one had before the step put a copy in its place; or NO_PAGE
  notFinite: u32; // 1: a key or value was a NaN or an infinity, which binary16 in the cache would hide
}

export const ENTRY_BYTES: usize = ENTRY_WORDS << 2;

export const NO_PAGE: u32 = 0xffffffff;

// @ts-ignore: decorator
@inline
export function entryAt(h: Header, index: u32): Entry {
  return changetype<Entry>(h.entries + <usize>index * ENTRY_BYTES);
}
