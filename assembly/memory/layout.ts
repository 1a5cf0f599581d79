import { ATTENTION_ROWS, HEAD_ROWS, MAX_ROWS, STAGING_SIZE, WEIGHTS_F32 } from "./constants";
import { ENTRY_BYTES } from "./entry";
import { Header, HEADER_SIZE, headerOf, pad16 } from "./header";
import { placeScratch } from "./thread-scratch";
import { samplerScratchBytes } from "../sampler/scratch";
import { keyHeadBytes, valueHeadBytes } from "../types/cache";
import { integerRowBytes, paddedInputs, panelBytes } from "../types/weights";

// The map of linear memory (docs/ARCHITECTURE.md): header, staging, weights, stored head; then cache, tables, activations,
// logits, sampler. Sizes are computed in 64 bits first, so that what does not fit is known before anything is written.

/** No region ends beyond: a loop's end at 2³² would wrap to 0. */
const LIMIT: u64 = 0x1_0000_0000 - 65536;

/** Bytes of `count` f32, as a region: padded to 64. */
function floats(count: u64): u64 {
  return ((count << 2) + 63) & ~63;
}

/** Bytes of a packed matrix [k][n]. */
function panels(type: u32, k: u64, n: u64): u64 {
  return ((n + 15) >> 4) * panelBytes(type, <usize>k);
}

export function layoutWeights(
  base: usize, nLayer: u32, nEmbd: u32, nHead: u32, nInner: u32, vocabSize: u32, nPositions: u32,
  activation: u32, flags: u32, epsilon: f32, headStored: u32, weightType: u32,
): f64 {
  const width = <u64>nEmbd, inner = <u64>nInner;
  const row = floats(pad16(nEmbd));
  const wide = floats(pad16(3 * nEmbd));
  const middle = floats(pad16(nInner));
  const ln1Bias = row;
  const attnWeight = ln1Bias + row;
  const attnBias = attnWeight + panels(weightType, width, 3 * width);
  const attnProjWeight = attnBias + wide;
  const attnProjBias = attnProjWeight + panels(weightType, width, width);
  const ln2Gain = attnProjBias + row;
  const ln2Bias = ln2Gain + row;
  const fcWeight = ln2Bias + row;
  const fcBias = fcWeight + panels(weightType, width, inner);
  const mlpProjWeight = fcBias + middle;
  const mlpProjBias = mlpProjWeight + panels(weightType, inner, width);
  const layerBytes = mlpProjBias + row;

  const staging = <u64>base + HEADER_SIZE;
  const widened = staging + STAGING_SIZE;
  const weights = widened + STAGING_SIZE * 2 + 64;
  const wpe = weights;
  const lnFGain = wpe + <u64>nPositions * row;
  const lnFBias = lnFGain + row;
  const layer0 = lnFBias + row;
  const wte = layer0 + <u64>nLayer * layerBytes;
  const storedHead = wte + panels(weightType, width, vocabSize);
  const packScratch = storedHead + (headStored ? panels(weightType, width, vocabSize) : 0);
  const end = packScratch + (weightType == WEIGHTS_F32 ? 0 : max(
    panels(WEIGHTS_F32, paddedInputs(width), max(3 * width, inner)), panels(WEIGHTS_F32, paddedInputs(inner), width),
  ));
  if (end > LIMIT) return <f64>end;

  const h = headerOf(base);
  memory.fill(base, 0, HEADER_SIZE);
  h.layers = nLayer; h.width = nEmbd; h.heads = nHead; h.headSize = nEmbd / nHead; h.inner = nInner;
  h.vocab = vocabSize; h.positions = nPositions; h.activation = activation; h.flags = flags; h.epsilon = epsilon;
  h.rowBytes = <usize>row;
  h.staging = <usize>staging; h.widened = <usize>widened;
  h.weights = <usize>weights; h.weightsBytes = <usize>(storedHead - weights);
  h.storedHead = <usize>storedHead; h.storedHeadBytes = <usize>(packScratch - storedHead);
  h.packScratch = <usize>packScratch; h.weightType = weightType;
  h.untied = headStored == 2 ? 1 : 0;
  h.wpe = <usize>wpe; h.lnFGain = <usize>lnFGain; h.lnFBias = <usize>lnFBias; h.wte = <usize>wte;
  h.head = h.wte;
  h.layer0 = <usize>layer0; h.layerBytes = <usize>layerBytes;
  h.ln1Gain = 0; h.ln1Bias = <usize>ln1Bias; h.attnWeight = <usize>attnWeight; h.attnBias = <usize>attnBias;
  h.attnProjWeight = <usize>attnProjWeight; h.attnProjBias = <usize>attnProjBias;
  h.ln2Gain = <usize>ln2Gain; h.ln2Bias = <usize>ln2Bias; h.fcWeight = <usize>fcWeight; h.fcBias = <usize>fcBias;
  h.mlpProjWeight = <usize>mlpProjWeight; h.mlpProjBias = <usize>mlpProjBias;
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
  const scratch = integers + integerBytes * MAX_ROWS;
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
  h.threads = threads; h.scratch = <usize>scratch; h.scratchBytes = <usize>scratchBytes;
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

/** Regions in the order of bindings/wasm/exports.ts. */
export function regionAddress(model: usize, region: i32): usize {
  const h = headerOf(model);
  switch (region) {
    case 0: return model;
    case 1: return h.weights;
    case 2: return h.storedHead;
    case 3: return h.pagePool;
    case 4: return h.tables;
    case 5: return h.activations;
    case 6: return h.logitsRegion;
    default: return h.sampler;
  }
}

export function regionBytes(model: usize, region: i32): usize {
  const h = headerOf(model);
  switch (region) {
    case 0: return h.weights - model;
    case 1: return h.weightsBytes;
    case 2: return h.untied ? h.storedHeadBytes : 0;
    case 3: return h.pagePoolBytes;
    case 4: return h.tablesBytes;
    case 5: return h.activationsBytes;
    case 6: return h.logitsRegionBytes;
    default: return h.samplerBytes;
  }
}
