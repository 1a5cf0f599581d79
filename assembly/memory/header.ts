/** Bytes reserved at `base` for the header below. */
export const HEADER_SIZE: usize = 1024;

/**
 * The model header: every number and address a step needs, at the start of the arena. Addresses are absolute, in bytes;
 * strides in bytes; the rest counts elements, rows, tokens or pages as its name says.
 */
@unmanaged
export class Header {
  // ── shape ──
  layers: u32;
  width: u32; // n_embd
  heads: u32;
  headSize: u32;
  inner: u32; // n_inner
  vocab: u32;
  positions: u32; // n_positions
  activation: u32;
  flags: u32;
  epsilon: f32;
  untied: u32; // 1: the head is a matrix of its own
  weightType: u32; // WEIGHTS_*
  cacheType: u32; // CACHE_*

  // ── regions, first byte and bytes ──
  weights: usize; weightsBytes: usize;
  storedHead: usize; storedHeadBytes: usize;
  pagePool: usize; pagePoolBytes: usize;
  tables: usize; tablesBytes: usize;
  activations: usize; activationsBytes: usize;
  logitsRegion: usize; logitsRegionBytes: usize;
  sampler: usize; samplerBytes: usize;
  staging: usize;
  widened: usize; // f32[STAGING_SIZE / 2 + 4]: what packTensor widens to
  packScratch: usize; // quantised weights only, behind them: f32 panels of the tensor that is coming in

  // ── weights ──
  wte: usize; // f32[panels of vocab][width][16]
  head: usize; // the same, or the stored head
  wpe: usize; // f32[positions][rowBytes]
  lnFGain: usize; lnFBias: usize;
  layer0: usize; layerBytes: usize; // layer l's weights begin at layer0 + l · layerBytes
  // within a layer, bytes from its start
  ln1Gain: usize; ln1Bias: usize; attnWeight: usize; attnBias: usize; attnProjWeight: usize; attnProjBias: usize;
  ln2Gain: usize; ln2Bias: usize; fcWeight: usize; fcBias: usize; mlpProjWeight: usize; mlpProjBias: usize;

  // ── cache ──
  context: u32; // tokens
  contextPages: u32; // pages of one full sequence
  pages: u32; // in the pool
  slots: u32;
  keyPageBytes: usize; valuePageBytes: usize; // keys, values of one layer in a page
  poolLayerBytes: usize; // all pages of a layer: keys, then values
  poolValues: usize; // from a layer's keys to its values
  keyHeadBytes: usize; valueHeadBytes: usize; // of one head of one layer in a page
  freeList: usize; // u32[pages], a stack
  freeCount: u32;
  references: usize; // u32[pages]
  slot0: usize; slotBytes: usize;

  // ── activations ──
  rowBytes: usize; // of hidden, normed, projected: width padded to 16 elements
  wideBytes: usize; // of wide: the larger of 3 · width and inner, padded
  hidden: usize; normed: usize; projected: usize; wide: usize;
  scoreBytes: usize; // of one row of scores: context padded to 16 elements
  scores: usize; sums: usize;
  attention: usize; // f32[heads][ATTENTION_ROWS][scoreBytes], for trace
  expScratch: usize; // 64 bytes
  integers: usize; integerBytes: usize; // quantised weights only: [MAX_ROWS] rows of kernels/quantize-rows.ts
  unpacked: usize; // int4 only: a panel unpacked (kernels/layout.q4.ts)
  queries: usize; blocks: usize; blockStride: usize; copy: usize; // int8 cache only: scratch of kernels/attention.q8.ts
  floatKeys: usize; floatValues: usize; floatPages: usize; // binary16 cache only: one head's pages as f32, and u32[contextPages] 0, 1, 2 …
  ids: usize; // u32[MAX_ROWS]
  logits: usize; // f32[HEAD_ROWS][logitsBytes]
  logitsBytes: usize;
  logitsOwner: i32; // the slot whose logits stand in row 0, or −1

  // ── the step under way ──
  stepSlot: u32;
  stepRows: u32;
  stepNewPages: u32;
  stepSharedPage: u32; // the shared page that a copy took the place of, or NO_PAGE
  stepHasLast: u32; // 1: normed holds the last row
  stepNotFinite: u32; // 1: a key or value was a NaN or an infinity, which binary16 in the cache would hide

  // ── sampler ──
  samplerOptions: usize; biasIds: usize; biasValues: usize; counts: usize; samplerLogits: usize; samplerScratch: usize;
  historyTokens: u32;
}

export const WEIGHTS_F32: u32 = 0, WEIGHTS_Q8: u32 = 1, WEIGHTS_Q4: u32 = 2;
export const CACHE_F32: u32 = 0, CACHE_F16: u32 = 1, CACHE_Q8: u32 = 2;

export const NO_PAGE: u32 = 0xffffffff;
export const PAGE_TOKENS: u32 = 16;
/** Rows of one step: enough that reading the weights costs little beside the sums, few enough for the second-level cache. */
export const MAX_ROWS: u32 = 128;
export const HEAD_ROWS: u32 = 16;
export const ATTENTION_ROWS: u32 = 64;
export const STAGING_SIZE: usize = 262144;

// @ts-ignore: decorator
@inline
export function headerOf(model: usize): Header {
  return changetype<Header>(model);
}

// @ts-ignore: decorator
@inline
export function pad16(x: u32): u32 {
  return (x + 15) & ~15;
}
