import { PAGE_TOKENS } from "../memory/constants";
import { Header } from "../memory/header";
import { checksum } from "../kernels/checksum";
import { pageIsFinite, storeHeadKeys, storeHeadValues } from "../types/cache";
import { keysOf, takePage, valuesOf } from "./pages";
import { lengthOf, openSlot, pageTable, pagesFor, slotAddress } from "./sequences";

// What saving a sequence and restoring it need of its pages (docs/FORMATS.md, "Saved sequences").

/** The number in the pool of a sequence's page `index`. */
// @ts-ignore: decorator
@inline
function pageAt(h: Header, slot: u32, index: u32): u32 { return load<u32>(pageTable(h, slot) + (<usize>index << 2)); }

/** First byte of the keys of a sequence's page `index`, or of its values. */
export function partOf(h: Header, slot: u32, layer: u32, index: u32, values: i32): usize {
  const page = pageAt(h, slot, index);
  return values ? valuesOf(h, layer, page) : keysOf(h, layer, page);
}

/**
 * A copy, keys and behind them values, of a layer of the last page, which is partly filled; tokens that are not there are zeros, for what
 * stands in the page may be another sequence's. It lies where the activations of a step do, and stays until something else is computed.
 */
export function copyLastPage(h: Header, slot: u32, layer: u32): usize {
  const length = lengthOf(h, slot);
  const last = length / PAGE_TOKENS;
  const keys = h.wide, values = keys + h.keyPageBytes;
  memory.copy(keys, partOf(h, slot, layer, last, 0), h.keyPageBytes);
  memory.copy(values, partOf(h, slot, layer, last, 1), h.valuePageBytes);
  const zeros = h.hidden;
  memory.fill(zeros, 0, h.rowBytes);
  for (let lane = <usize>(length % PAGE_TOKENS); lane < <usize>PAGE_TOKENS; lane++) {
    storeHeadKeys(h.cacheType, keys, lane, zeros, zeros, h.heads, h.headSize);
    storeHeadValues(h.cacheType, values, lane, zeros, zeros, h.heads, h.headSize);
  }
  return keys;
}

/** `state` after a layer's pages, keys and then values, each a piece. `clean`: of a last page that is partly filled, copyLastPage's copy. */
export function checksumLayer(h: Header, state: u64, slot: u32, layer: u32, clean: i32): u64 {
  const length = lengthOf(h, slot);
  const pages = pagesFor(length);
  const copied = clean && length % PAGE_TOKENS != 0 ? pages - 1 : pages;
  const copy = copied < pages ? copyLastPage(h, slot, layer) : 0;
  for (let i: u32 = 0; i < pages; i++) {
    state = checksum(state, i == copied ? copy : partOf(h, slot, layer, i, 0), h.keyPageBytes);
  }
  for (let i: u32 = 0; i < pages; i++) {
    state = checksum(state, i == copied ? copy + h.keyPageBytes : partOf(h, slot, layer, i, 1), h.valuePageBytes);
  }
  return state;
}

/** 1 if every number in a layer's pages is finite. */
export function layerIsFinite(h: Header, slot: u32, layer: u32): i32 {
  const pages = pagesFor(lengthOf(h, slot));
  for (let i: u32 = 0; i < pages; i++) {
    if (!pageIsFinite(h.cacheType, partOf(h, slot, layer, i, 0), partOf(h, slot, layer, i, 1), h.heads, h.headSize)) return 0;
  }
  return 1;
}

/** A sequence of `length` tokens whose ids and pages the caller has to fill, without a last row; −1 if no slot is free. There are enough pages. */
export function openFilled(h: Header, length: u32): i32 {
  const slot = openSlot(h);
  if (slot < 0) return -1;
  const pages = pagesFor(length);
  for (let i: u32 = 0; i < pages; i++) store<u32>(pageTable(h, slot) + (<usize>i << 2), takePage(h));
  store<u32>(slotAddress(h, slot), length, 4);
  return slot;
}

/** The caller has filled the last row. */
export function markLast(h: Header, slot: u32): void { store<u32>(slotAddress(h, slot), lengthOf(h, slot), 8); }
