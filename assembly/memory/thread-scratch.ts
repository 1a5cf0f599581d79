import { CACHE_F16, CACHE_Q8 } from "../contract";
import { Header } from "./header";
import { Attention } from "../kernels/attention-record";
import { Q8_BLOCK_ROW, q8QueryBytes } from "../kernels/q8/attention";
import { SYNC_BYTES } from "../threads/sync";
import { unpackedBytes } from "../types/weights";

/** Where one thread of a step works. Made when the cache is laid out; nothing in it outlives an operation. */
@unmanaged
export class ThreadScratch {
  exponentials: usize; // 64 bytes, for activations
  unpacked: usize; // int4 only: a panel unpacked (kernels/q4/layout.ts)
  attention: Attention;
  // binary16 cache only: one head's pages as f32, and a record in which they are the cache
  widened: Attention;
}

/** Bytes from the start of a thread's scratch to its records, and to its buffers. */
const RECORD: usize = 64, WIDENED: usize = 192, EXPONENTIALS: usize = 320, BUFFERS: u64 = 384;

// @ts-ignore: decorator
@inline
export function scratchOf(h: Header, part: u32): ThreadScratch {
  return changetype<ThreadScratch>(h.scratch + <usize>part * h.scratchBytes);
}

// @ts-ignore: decorator
@inline
function padded(bytes: u64): u64 { return (bytes + 63) & ~63; }

/** Bytes of one thread's scratch, a multiple of 64. Unless `base` is 0 it is also made there; the cache must have been laid out then. */
export function placeScratch(h: Header, base: usize, contextPages: u64, cacheType: u32): u64 {
  const size = <usize>h.headSize, panels = <u64>((size + 15) >> 4);
  const heads = <u64>max(h.heads, 2);
  const isQ8 = cacheType == CACHE_Q8, isF16 = cacheType == CACHE_F16;
  const scoreBytes = contextPages << 6;
  const unpacked = BUFFERS;
  const scores = unpacked + padded(unpackedBytes(h.weightType, max(h.width, h.inner)));
  const sums = scores + heads * scoreBytes;
  const divisors = sums + heads * (panels << 6);
  const rowScales = divisors + padded(heads << 2);
  const queries = rowScales + padded(heads << 2);
  const blocks = queries + (isQ8 ? heads * q8QueryBytes(size) : 0);
  const blockStride = contextPages * Q8_BLOCK_ROW;
  const copy = blocks + (isQ8 ? heads * blockStride : 0);
  const floatKeys = copy + (isQ8 ? max(scoreBytes, panels << 6) : 0);
  const floatValues = floatKeys + (isF16 ? contextPages * (<u64>size << 6) : 0);
  const floatPages = floatValues + (isF16 ? contextPages * (panels << 10) : 0);
  const end = floatPages + (isF16 ? padded(contextPages << 2) : 0);
  if (!base) return end;

  const s = changetype<ThreadScratch>(base);
  s.exponentials = base + EXPONENTIALS;
  s.unpacked = base + <usize>unpacked;
  const a = changetype<Attention>(base + RECORD);
  s.attention = a;
  a.heads = h.heads; a.headSize = size; a.queryStride = h.wideBytes; a.outStride = h.rowBytes;
  a.keyPageBytes = h.keyPageBytes; a.valuePageBytes = h.valuePageBytes;
  a.keyHeadBytes = h.keyHeadBytes; a.valueHeadBytes = h.valueHeadBytes;
  a.scores = base + <usize>scores; a.scoreBytes = <usize>scoreBytes; a.sums = base + <usize>sums;
  a.divisors = base + <usize>divisors; a.rowScales = base + <usize>rowScales;
  a.queries = base + <usize>queries; a.blocks = base + <usize>blocks; a.blockStride = <usize>blockStride; a.copy = base + <usize>copy;
  if (!isF16) return end;
  const w = changetype<Attention>(base + WIDENED);
  s.widened = w;
  memory.copy(base + WIDENED, base + RECORD, WIDENED - RECORD);
  w.pages = base + <usize>floatPages; w.keys = base + <usize>floatKeys; w.values = base + <usize>floatValues;
  w.keyPageBytes = size << 6; w.valuePageBytes = <usize>panels << 10;
  w.keyHeadBytes = 0; w.valueHeadBytes = 0; // one head at a time
  for (let i: u32 = 0; i < <u32>contextPages; i++) store<u32>(w.pages + (<usize>i << 2), i);
  return end;
}

/** After the memory has grown to the cache's end. */
export function initialiseScratch(h: Header): void {
  memory.fill(h.sync, 0, <usize>SYNC_BYTES);
  for (let part: u32 = 0; part < h.threads; part++) {
    placeScratch(h, h.scratch + <usize>part * h.scratchBytes, h.contextPages, h.cacheType);
  }
}
