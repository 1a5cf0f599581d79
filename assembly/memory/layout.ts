import { SYNC_BYTES } from "../threads/sync";
import {
  ATTENTION_ROWS, ATTN_WEIGHT, FC_WEIGHT, HEAD, HEADER_BYTES, HEAD_ROWS, LN_1_GAIN, MAX_ROWS, MEMORY_LIMIT, MLP_PROJ_WEIGHT,
  REGION_ACTIVATIONS, REGION_HEADER, REGION_LOGITS, REGION_PAGES, REGION_STORED_HEAD, REGION_TABLES, REGION_WEIGHTS, STAGING_BYTES,
  TENSORS, WEIGHTS_F32, WPE, WTE,
} from "../contract";
import { ENTRY_BYTES } from "./entry";
import { Header, PLACES, headerOf, pad16 } from "./header";
import { placeScratch } from "./thread-scratch";
import { samplerScratchBytes } from "../sampler/scratch";
import { keyHeadBytes, valueHeadBytes } from "../types/cache";
import { integerRowBytes, paddedInputs } from "../types/weights";
import { bytesOf, inputsOf, outputsOf, setPlace } from "../weights/tensors";

// The map of linear memory (docs/ARCHITECTURE.md): header, staging, weights, stored head; then cache, tables, activations,
// logits, sampler. Sizes are computed in 64 bits, so that what does not fit is known before anything is written there.

const LIMIT: u64 = MEMORY_LIMIT;

/** Bytes of `count` f32, as a region: padded to 64. */
function floats(count: u64): u64 {
  return ((count << 2) + 63) & ~63;
}

/** Bytes of the f32 panels of a matrix on its way to integers. */
function gathered(h: Header, tensor: i32): u64 {
  return ((<u64>outputsOf(h, tensor) + 15) >> 4) * (paddedInputs(inputsOf(h, tensor)) << 6);
}

export function layoutWeights(
  base: usize, nLayer: u32, nEmbd: u32, nHead: u32, nInner: u32, vocabSize: u32, nPositions: u32,
  activation: u32, flags: u32, epsilon: f32, headStored: u32, weightType: u32,
): f64 {
  const h = headerOf(base);
  memory.fill(base, 0, HEADER_BYTES);
  h.layers = nLayer; h.width = nEmbd; h.heads = nHead; h.headSize = nEmbd / nHead; h.inner = nInner;
  h.vocab = vocabSize; h.positions = nPositions; h.activation = activation; h.flags = flags; h.epsilon = epsilon;
  h.weightType = weightType;
  h.rowBytes = <usize>floats(pad16(nEmbd));
  h.places = base + PLACES;

  const staging = <u64>base + HEADER_BYTES;
  const widened = staging + STAGING_BYTES;
  const weights = widened + STAGING_BYTES * 2 + 64;
  let end = weights;
  for (let tensor = WPE; tensor < HEAD; tensor++) {
    setPlace(h, tensor, end);
    end += bytesOf(h, tensor);
  }
  const layer0 = end;
  for (let tensor = LN_1_GAIN; tensor < TENSORS; tensor++) {
    setPlace(h, tensor, end);
    end += bytesOf(h, tensor);
  }
  const layerBytes = end - layer0;
  const wte = layer0 + nLayer * layerBytes;
  const storedHead = wte + bytesOf(h, WTE);
  const packScratch = storedHead + (headStored ? bytesOf(h, HEAD) : 0);
  end = packScratch;
  if (weightType != WEIGHTS_F32) end += max(max(gathered(h, ATTN_WEIGHT), gathered(h, FC_WEIGHT)), gathered(h, MLP_PROJ_WEIGHT));
  if (end > LIMIT) return <f64>end;

  setPlace(h, WTE, wte);
  setPlace(h, HEAD, storedHead);
  h.layerBytes = <usize>layerBytes;
  h.head = <usize>wte;
  h.staging = <usize>staging; h.widened = <usize>widened;
  h.weights = <usize>weights; h.weightsBytes = <usize>(storedHead - weights);
  h.storedHead = <usize>storedHead; h.storedHeadBytes = <usize>(packScratch - storedHead);
  h.packScratch = <usize>packScratch;
  h.untied = headStored == 2 ? 1 : 0;
  return <f64>end;
}

export function layoutCache(model: usize, contextLength: u32, pages: u32, slots: u32, cacheType: u32, threads: u32): f64 {
  const h = headerOf(model);
  const size = <usize>h.headSize;
  const keyBytes = <u64>keyHeadBytes(cacheType, size), valueBytes = <u64>valueHeadBytes(cacheType, size);
  const keyPageBytes = h.heads * keyBytes;
  const valuePageBytes = h.heads * valueBytes;
  const poolValues = keyPageBytes * pages;
  const poolLayerBytes = poolValues + valuePageBytes * pages;
  const contextPages = <u64>((contextLength + 15) >> 4);

  const row = <u64>h.rowBytes;
  const wide = floats(max(pad16(3 * h.width), pad16(h.inner)));
  const scoreBytes = floats(contextPages << 4);
  const logitsBytes = floats(pad16(h.vocab));
  const slotBytes = floats(SLOT_FIELDS + contextPages) + scoreBytes + row;
  const integerBytes = <u64>integerRowBytes(h.weightType, max(h.width, h.inner));
  const scratchBytes = placeScratch(h, 0, contextPages, cacheType);

  const pool = <u64>h.weights + h.weightsBytes + (h.untied ? h.storedHeadBytes : 0);
  const freeList = pool + poolLayerBytes * h.layers;
  const references = freeList + floats(pages);
  const slot0 = references + floats(pages);
  const hidden = slot0 + slotBytes * slots;
  const normed = hidden + row * MAX_ROWS;
  const projected = normed + row * MAX_ROWS;
  const wideRows = projected + row * MAX_ROWS;
  const integers = wideRows + wide * MAX_ROWS;
  const sync = integers + integerBytes * MAX_ROWS;
  const scratch = sync + SYNC_BYTES;
  const entries = scratch + scratchBytes * threads;
  const ids = entries + ENTRY_BYTES * MAX_ROWS;
  const logitsOwners = ids + floats(MAX_ROWS);
  const attention = logitsOwners + floats(HEAD_ROWS);
  const logits = attention + <u64>h.heads * ATTENTION_ROWS * scoreBytes;
  const options = logits + logitsBytes * HEAD_ROWS;
  const biasIds = options + 128;
  const biasValues = biasIds + floats(h.vocab);
  const counts = biasValues + 2 * floats(h.vocab);
  const samplerLogits = counts + floats(h.vocab);
  const samplerScratch = samplerLogits + logitsBytes;
  const end = samplerScratch + ((samplerScratchBytes(h.vocab) + 63) & ~63);
  if (end > LIMIT) return <f64>end;

  h.context = contextLength; h.contextPages = <u32>contextPages; h.pages = pages; h.slots = slots;
  h.keyPageBytes = <usize>keyPageBytes; h.valuePageBytes = <usize>valuePageBytes;
  h.poolLayerBytes = <usize>poolLayerBytes; h.poolValues = <usize>poolValues;
  h.pagePool = <usize>pool; h.pagePoolBytes = <usize>(freeList - pool);
  h.tables = <usize>freeList; h.tablesBytes = <usize>(hidden - freeList);
  h.freeList = <usize>freeList; h.references = <usize>references; h.slot0 = <usize>slot0; h.slotBytes = <usize>slotBytes;
  h.activations = <usize>hidden; h.activationsBytes = <usize>(logits - hidden);
  h.wideBytes = <usize>wide; h.scoreBytes = <usize>scoreBytes;
  h.hidden = <usize>hidden; h.normed = <usize>normed; h.projected = <usize>projected; h.wide = <usize>wideRows;
  h.entries = <usize>entries; h.ids = <usize>ids; h.attention = <usize>attention;
  h.cacheType = cacheType; h.keyHeadBytes = <usize>keyBytes; h.valueHeadBytes = <usize>valueBytes;
  h.integers = <usize>integers; h.integerBytes = <usize>integerBytes;
  h.threads = threads; h.team = 1; h.parts = 1; h.sync = <usize>sync; h.scratch = <usize>scratch; h.scratchBytes = <usize>scratchBytes;
  h.logitsOwners = <usize>logitsOwners;
  h.logits = <usize>logits; h.logitsBytes = <usize>logitsBytes;
  h.logitsRegion = <usize>logits; h.logitsRegionBytes = <usize>(options - logits);
  h.sampler = <usize>options; h.samplerBytes = <usize>(end - options);
  h.samplerOptions = <usize>options; h.biasIds = <usize>biasIds; h.biasValues = <usize>biasValues;
  h.counts = <usize>counts; h.samplerLogits = <usize>samplerLogits; h.samplerScratch = <usize>samplerScratch;
  return <f64>end;
}

/** u32 fields of a slot before its page table: open, length, the length its kept last row belongs to, spare. */
export const SLOT_FIELDS: u32 = 4;

export function regionAddress(model: usize, region: i32): usize {
  const h = headerOf(model);
  switch (region) {
    case REGION_HEADER: return model;
    case REGION_WEIGHTS: return h.weights;
    case REGION_STORED_HEAD: return h.storedHead;
    case REGION_PAGES: return h.pagePool;
    case REGION_TABLES: return h.tables;
    case REGION_ACTIVATIONS: return h.activations;
    case REGION_LOGITS: return h.logitsRegion;
    default: return h.sampler;
  }
}

export function regionBytes(model: usize, region: i32): usize {
  const h = headerOf(model);
  switch (region) {
    case REGION_HEADER: return h.weights - model;
    case REGION_WEIGHTS: return h.weightsBytes;
    case REGION_STORED_HEAD: return h.untied ? h.storedHeadBytes : 0;
    case REGION_PAGES: return h.pagePoolBytes;
    case REGION_TABLES: return h.tablesBytes;
    case REGION_ACTIVATIONS: return h.activationsBytes;
    case REGION_LOGITS: return h.logitsRegionBytes;
    default: return h.samplerBytes;
  }
}
