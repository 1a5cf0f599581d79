// Every export of the module. The contract, with units, is bindings/wasm/exports.ts.
import * as contract from "./contract";
import { headerOf } from "./memory/header";
import { initialiseScratch } from "./memory/thread-scratch";
import { forgetPage, holdersOf, initialisePages } from "./cache/pages";
import { initialiseLogits, releaseLogits } from "./model/logits";
import { checksum } from "./kernels/checksum";
import { copyLastPage, markLast, openFilled, partIsFinite, partOf } from "./cache/saved";
import { adoptPage, knowPageOf, openShared } from "./cache/shared";
import { closeSlot, forkSlot, idsOf, initialiseSlots, lastRow, lengthOf, openSlot, pagesNeeded, truncateSlot } from "./cache/sequences";

export const ABI_VERSION: i32 = contract.ABI_VERSION;
export const NUMERICS_VERSION: i32 = contract.NUMERICS_VERSION;
export const RELAXED_SIMD: i32 = <i32>ASC_FEATURE_RELAXED_SIMD;

export { checkEngine } from "./memory/engine";
export { layoutCache, layoutWeights, regionAddress, regionBytes } from "./memory/layout";
export { finishWeights, packScales, packTensor } from "./weights/pack";
export { readIntegers, readScales, readWeights } from "./weights/read";
export { abortStep, beginStep, commitStep, failedEntry, finishStep, headRows, runLayer, step } from "./model/step";
export { hasLogits, sequenceLogits } from "./model/logits";
export { addHistory, clearHistory, distribution, exponential, likeliest, logProbability, sample } from "./sampler/choose";
// Exported so that they stay functions of their own (kernels/f32/matmul.ts).
export { tileOneRow, tileTwoRows, tileTwoStreams } from "./kernels/f32/matmul";
export { halfTileTwoStreams } from "./kernels/f16/matmul";

export function lowestBase(): usize { return (__heap_base + 63) & ~63; }
export function stagingAddress(model: usize): usize { return headerOf(model).staging; }

export function initialiseCache(model: usize): void {
  const h = headerOf(model);
  initialisePages(h);
  initialiseSlots(h);
  initialiseLogits(h);
  initialiseScratch(h);
  memory.fill(h.counts, 0, <usize>h.vocab << 2); // a head that was given back may have lain here
}

export function openSequence(model: usize): i32 { return openSlot(headerOf(model)); }
export function closeSequence(model: usize, slot: u32): void {
  releaseLogits(headerOf(model), slot);
  closeSlot(headerOf(model), slot);
}
export function forkSequence(model: usize, slot: u32): i32 { return forkSlot(headerOf(model), slot); }
export function truncateSequence(model: usize, slot: u32, length: u32): void { truncateSlot(headerOf(model), slot, length); }
export function sequenceLength(model: usize, slot: u32): u32 { return lengthOf(headerOf(model), slot); }
export function sequenceIds(model: usize, slot: u32): usize { return idsOf(headerOf(model), slot); }
export function freePages(model: usize): u32 { return headerOf(model).freeCount + headerOf(model).idleCount; }
export function pagesShort(model: usize, slot: u32, rows: u32): u32 {
  const h = headerOf(model);
  const needed = pagesNeeded(h, slot, rows);
  return needed > h.freeCount ? needed - h.freeCount : 0;
}

// Shared prefixes (cache/shared.ts).
export function knownPage(model: usize, slot: u32, index: u32): u32 { return knowPageOf(headerOf(model), slot, index); }
export function adoptedPage(model: usize, slot: u32, index: u32, page: u32): void { adoptPage(headerOf(model), slot, index, page); }
export function forgottenPage(model: usize, page: u32): void { forgetPage(headerOf(model), page); }
export function pageHolders(model: usize, page: u32): u32 { return holdersOf(headerOf(model), page); }
export function openSharing(model: usize, pages: usize, length: u32): i32 { return openShared(headerOf(model), pages, length); }
export function idlePages(model: usize): u32 { return headerOf(model).idleCount; }

// Saving and restoring (cache/saved.ts).
export function addChecksum(state: u64, address: usize, bytes: usize): u64 { return checksum(state, address, bytes); }
export function pageIsFinite(model: usize, slot: u32, layer: u32, index: u32, values: i32): i32 { return partIsFinite(headerOf(model), slot, layer, index, values); }
export function pageAddress(model: usize, slot: u32, layer: u32, index: u32, values: i32): usize { return partOf(headerOf(model), slot, layer, index, values); }
export function lastPageCopy(model: usize, slot: u32, layer: u32, values: i32): usize { return copyLastPage(headerOf(model), slot, layer, values); }
export function keyPageBytes(model: usize): usize { return headerOf(model).keyPageBytes; }
export function valuePageBytes(model: usize): usize { return headerOf(model).valuePageBytes; }
export function openRestored(model: usize, length: u32): i32 { return openFilled(headerOf(model), length); }
export function sequenceLast(model: usize, slot: u32): usize { return lastRow(headerOf(model), slot); }
export function keepLast(model: usize, slot: u32): void { markLast(headerOf(model), slot); }

export function stepEntries(model: usize): usize { return headerOf(model).entries; }
export function stepIds(model: usize): usize { return headerOf(model).ids; }
export function rowStride(model: usize): usize { return headerOf(model).rowBytes >> 2; }
export function hiddenRows(model: usize): usize { return headerOf(model).hidden; }
export function normedRows(model: usize): usize { return headerOf(model).normed; }
export function attentionRows(model: usize): usize { return headerOf(model).attention; }
export function attentionStride(model: usize): usize { return headerOf(model).scoreBytes >> 2; }
export function logitsRows(model: usize): usize { return headerOf(model).logits; }
export function logitsStride(model: usize): usize { return headerOf(model).logitsBytes >> 2; }

export function samplerOptions(model: usize): usize { return headerOf(model).samplerOptions; }
export function samplerBiasIds(model: usize): usize { return headerOf(model).biasIds; }
export function samplerBiasValues(model: usize): usize { return headerOf(model).biasValues; }
export function samplerLogits(model: usize): usize { return headerOf(model).samplerLogits; }
