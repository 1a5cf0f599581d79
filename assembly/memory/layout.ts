import { ATTENTION_ROWS, Header, HEADER_SIZE, HEAD_ROWS, MAX_ROWS, STAGING_SIZE, headerOf, pad16 } from "./header";
import { CACHE_F16, CACHE_F32, CACHE_Q8, WEIGHTS_F32, WEIGHTS_Q4, WEIGHTS_Q8 } from "./header";
import { Q8_BLOCK_ROW, q8QueryBytes, q8ValueBytes } from "../kernels/attention.q8";
import { q4PanelBytes, q4RowBytes, q4UnpackedBytes } from "../kernels/layout.q4";
import { q8PanelBytes } from "../kernels/matmul.q8";
import { ROW_HEADER } from "../kernels/quantize-rows";
import { samplerScratchBytes } from "../sampler/scratch";

// The map of linear memory (docs/ARCHITECTURE.md): header, staging, weights, stored head; then cache, tables, activations,
// logits, sampler. Sizes are computed in 64 bits first, so that what does not fit is known before anything is written.

/** No region ends beyond: a loop's end at 2³² would wrap to 0. */
const LIMIT: u64 = 0x1_0000_0000 - 65536;

/** Bytes of `count` f32, as a region: padded to 64. */
function floats(count: u64): u64 {
  return ((count << 2) + 63) & ~63;
}

/** Bytes of a panel of 16 outputs with `k` inputs. */
export function panelBytes(type: u32, k: usize): usize {
  return type == WEIGHTS_Q8 ? q8PanelBytes(k) : type == WEIGHTS_Q4 ? q4PanelBytes(k) : k << 6;
}

/** Bytes of a packed matrix [k][n]. */
function panels(type: u32, k: u64, n: u64): u64 {
  return ((n + 15) >> 4) * panelBytes(type, <usize>k);
}

/** Inputs of a panel in f32 on its way to integers, padded to whole groups of int4. */
// @ts-ignore: decorator
@inline
export function paddedInputs(k: u64): u64 { return (k + 31) & ~31; }

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

export function layoutCache(model: usize, contextLength: u32, pages: u32, slots: u32, cacheType: u32): f64 {
  const h = headerOf(model);
  const width = <u64>h.width, heads = <u64>h.heads;
  const headPanels = <u64>((h.headSize + 15) >> 4);
  const size = <usize>h.headSize;
  const element: u64 = cacheType == CACHE_F32 ? 4 : 2;
  const keyHeadBytes: u64 = cacheType == CACHE_Q8 ? q8PanelBytes(size) : (<u64>size << 4) * element;
  const valueHeadBytes: u64 = cacheType == CACHE_Q8 ? q8ValueBytes(size) : (headPanels << 8) * element;
  const keyPageBytes = heads * keyHeadBytes;
  const valuePageBytes = heads * valueHeadBytes;
  const poolValues = keyPageBytes * pages;
  const poolLayerBytes = poolValues + valuePageBytes * pages;
  const contextPages = <u64>((contextLength + 15) >> 4);

  const row = <u64>h.rowBytes;
  const wide = floats(max(pad16(3 * h.width), pad16(h.inner)));
  const scoreBytes = floats(contextPages << 4);
  const logitsBytes = floats(pad16(h.vocab));
  const slotBytes = floats(SLOT_FIELDS + contextPages) + scoreBytes + row;

  const pool = <u64>h.weights + h.weightsBytes + (h.untied ? h.storedHeadBytes : 0);
  const freeList = pool + poolLayerBytes * h.layers;
  const references = freeList + floats(pages);
  const slot0 = references + floats(pages);
  const hidden = slot0 + slotBytes * slots;
  const normed = hidden + row * MAX_ROWS;
  const projected = normed + row * MAX_ROWS;
  const wideRows = projected + row * MAX_ROWS;
  const scores = wideRows + wide * MAX_ROWS;
  const sums = scores + scoreBytes * max(heads, 2);
  const expScratch = sums + floats(max(heads, 2) * (headPanels << 4) + 2 * heads);
  const integers = expScratch + 64;
  const longest = <usize>max(h.width, h.inner);
  const integerBytes: u64 = h.weightType == WEIGHTS_Q8 ? (ROW_HEADER + <u64>(((longest + 15) & ~15) << 1) + 63) & ~63
    : h.weightType == WEIGHTS_Q4 ? q4RowBytes(longest) : 0;
  const unpacked = integers + integerBytes * MAX_ROWS;
  const queries = unpacked + (h.weightType == WEIGHTS_Q4 ? q4UnpackedBytes(longest) : 0);
  const isQ8 = cacheType == CACHE_Q8;
  const blocks = queries + (isQ8 ? max(heads, 2) * q8QueryBytes(size) : 0);
  const blockStride = contextPages * Q8_BLOCK_ROW;
  const copy = blocks + (isQ8 ? max(heads, 2) * blockStride : 0);
  const floatKeys = copy + (isQ8 ? max(scoreBytes, floats(headPanels << 4)) : 0);
  const isF16 = cacheType == CACHE_F16;
  const floatValues = floatKeys + (isF16 ? contextPages * (<u64>size << 6) : 0);
  const floatPages = floatValues + (isF16 ? contextPages * (headPanels << 10) : 0);
  const ids = floatPages + (isF16 ? floats(contextPages) : 0);
  const attention = ids + floats(MAX_ROWS);
  const logits = attention + heads * ATTENTION_ROWS * scoreBytes;
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
  h.scores = <usize>scores; h.sums = <usize>sums; h.expScratch = <usize>expScratch; h.ids = <usize>ids;
  h.attention = <usize>attention;
  h.cacheType = cacheType; h.keyHeadBytes = <usize>keyHeadBytes; h.valueHeadBytes = <usize>valueHeadBytes;
  h.integers = <usize>integers; h.integerBytes = <usize>integerBytes; h.unpacked = <usize>unpacked;
  h.queries = <usize>queries; h.blocks = <usize>blocks; h.blockStride = <usize>blockStride; h.copy = <usize>copy;
  h.floatKeys = <usize>floatKeys; h.floatValues = <usize>floatValues; h.floatPages = <usize>floatPages;
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
