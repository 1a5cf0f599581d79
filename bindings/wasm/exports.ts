/**
 * The contract between the module (assembly/index.ts) and the bindings.
 *
 * Addresses and byte counts are unsigned 32-bit numbers that JavaScript receives as signed ones: pass them through
 * `>>> 0`. `model` is the address of a model header; `slot` is the index of a sequence (0 … slots − 1).
 */
export interface KvasmExports {
  readonly memory: WebAssembly.Memory;

  // ── identity (WebAssembly.Global, .value) ──
  /** Changes whenever this interface does. */
  readonly ABI_VERSION: WebAssembly.Global;
  /** docs/NUMERICS.md */
  readonly NUMERICS_VERSION: WebAssembly.Global;
  /** 1 if this is kvasm.relaxed.wasm, else 0. */
  readonly RELAXED_SIMD: WebAssembly.Global;
  /** Most rows (tokens) of one step. */
  readonly MAX_ROWS: WebAssembly.Global;
  /** Most rows of one call of headRows. */
  readonly HEAD_ROWS: WebAssembly.Global;
  /** Tokens of one cache page: 16. */
  readonly PAGE_TOKENS: WebAssembly.Global;
  /** Bytes of the model header; memory must reach base + HEADER_BYTES before layoutWeights. */
  readonly HEADER_BYTES: WebAssembly.Global;
  /** Bytes at stagingAddress. */
  readonly STAGING_BYTES: WebAssembly.Global;

  /** 0, or 1 / 2 if scalar / SIMD arithmetic flushes subnormal numbers to zero on this host, 3 if its relaxed SIMD is not the standard's. */
  checkEngine(): number;
  /** The lowest address at which a model header may lie. */
  lowestBase(): number;

  // ── laying out and loading ──
  /**
   * Places header, staging and weights at `base` (a multiple of 64). `activation`: index in ACTIVATIONS; `flags`: FLAG_*;
   * `headStored`: 1 if the checkpoint has an lm_head.weight, 2 if that is known to be a matrix of its own, so that layoutCache
   * leaves it its place even before finishWeights; `weightType`: WeightType. Returns the end (first byte beyond), in
   * bytes, of the weights and, if they are integers, of the space behind them in which one f32 matrix at a time is gathered. If
   * that is beyond MEMORY_LIMIT nothing was written.
   */
  layoutWeights(
    base: number, nLayer: number, nEmbd: number, nHead: number, nInner: number, vocabSize: number, nPositions: number,
    activation: number, flags: number, epsilon: number, headStored: number, weightType: number,
  ): number;
  /** Where the bindings put raw tensor bytes for packTensor. */
  stagingAddress(model: number): number;
  /**
   * Takes `count` elements of a tensor, lying raw in staging as `dtype` (Dtype), the first being element number `element` of
   * the tensor (row-major), widens them to f32 and writes them to their packed place, as integers if the model holds those:
   * then the elements of a matrix must come in order. `layer` is ignored for tensors outside the
   * layers. `outputMajor` 1: a matrix comes as [outputs][inputs] (GGUF, quantised files) instead of [inputs][outputs]; wte and
   * lm_head always do. At most STAGING_BYTES / 2 elements a call; of a block format (Q…) whole blocks, matrices with outputMajor.
   * Q4_0 into an int4 matrix keeps its integers and scales; other block formats become f32 first. Dtype I8 and U4 (integers
   * without their scales) need outputMajor and a model of that type. Returns −1, or the index (within this call) of the first
   * element that is not a finite f32.
   */
  packTensor(model: number, tensor: number, layer: number, dtype: number, element: number, count: number, outputMajor: number): number;
  /**
   * The scales of a matrix whose integers packTensor gets: int8 [outputs], int4 [outputs][⌈inputs / 32⌉] (binary16 values), lying in
   * staging as `dtype` (F32, F16). Before or after the integers. Returns as packTensor does.
   */
  packScales(model: number, tensor: number, layer: number, dtype: number, element: number, count: number): number;
  /** To staging: f32[inputs] of one output of a matrix (dequantised); of wpe `count` f32 of row `output`; of a vector its first `count`. */
  readWeights(model: number, tensor: number, layer: number, output: number, count: number): void;
  /** To staging: the integers of one output as Dtype I8 (i8[inputs]) or U4. Returns bytes. */
  readIntegers(model: number, tensor: number, layer: number, output: number): number;
  /** To staging: the scales of one output, f32. Returns how many: 1 (int8) or ⌈inputs / 32⌉ (int4). */
  readScales(model: number, tensor: number, layer: number, output: number): number;
  /** All tensors are in. Returns 1 if a stored head differs from the embedding and stays, 0 if there is one matrix for both. */
  finishWeights(model: number): number;
  /**
   * Places cache, tables, activations, logits and sampler behind the weights, after finishWeights. `cacheType`: CacheType; `threads`: how
   * many have scratch of their own, at least 1. Returns the end in bytes; if that is beyond MEMORY_LIMIT nothing was written.
   */
  layoutCache(model: number, contextLength: number, pages: number, slots: number, cacheType: number, threads: number): number;
  /** After the memory has grown to layoutCache's end: all pages and slots free. */
  initialiseCache(model: number): void;
  /** First byte of a region (Region). */
  regionAddress(model: number, region: number): number;
  /** Bytes of a region (Region). */
  regionBytes(model: number, region: number): number;

  // ── sequences ──
  /** A slot, or −1 if none is free. */
  openSequence(model: number): number;
  /** Gives the slot and its pages back. */
  closeSequence(model: number, slot: number): void;
  /** A new slot that shares all pages, or −1 if none is free. */
  forkSequence(model: number, slot: number): number;
  /** Keeps the first `length` tokens; `length` ≤ the sequence's length. */
  truncateSequence(model: number, slot: number, length: number): void;
  /** Tokens. */
  sequenceLength(model: number, slot: number): number;
  /** Pages missing in the pool for appending `rows` tokens (copy of a shared last page included); 0 if there are enough. */
  pagesShort(model: number, slot: number, rows: number): number;
  /** Pages nobody holds. */
  freePages(model: number): number;
  /** Address of the sequence's ids, u32[length]. */
  sequenceIds(model: number, slot: number): number;

  // ── saving and restoring, docs/FORMATS.md ──
  /** The checksum `state` (0 at first) after a piece of bytes; `bytes` a multiple of 16. */
  addChecksum(state: bigint, address: number, bytes: number): bigint;
  /** 1 if all numbers are finite in a layer's keys, or with `values` 1 its values, in a sequence's page `index`. */
  pageIsFinite(model: number, slot: number, layer: number, index: number, values: number): number;
  /** First byte of the keys, or with `values` 1 of the values, of a layer in a sequence's page `index`. */
  pageAddress(model: number, slot: number, layer: number, index: number, values: number): number;
  /** A copy of a layer's keys, or values, in a last page that is partly filled, zeros beyond its tokens. Stays until the next call. */
  lastPageCopy(model: number, slot: number, layer: number, values: number): number;
  /** Bytes of a layer's keys in a page. */
  keyPageBytes(model: number): number;
  valuePageBytes(model: number): number;
  /** A slot of `length` tokens; ids and pages are the caller's to fill. −1 if no slot is free. There must be enough pages. */
  openRestored(model: number, length: number): number;
  /** Address of the sequence's kept final-norm row, f32[rowStride]. */
  sequenceLast(model: number, slot: number): number;
  /** That row is now the last token's, so that logits can be made of it. */
  keepLast(model: number, slot: number): void;

  // ── a step ──
  /**
   * Where the bindings write which sequences a step appends to, each at most once: up to MAX_ROWS entries of ENTRY_WORDS u32, of which the
   * first three are theirs: slot, rows (at least 1), mode (MODE_*). The rows of all entries together are at most MAX_ROWS.
   */
  stepEntries(model: number): number;
  /** Where they write the ids of a step, u32[MAX_ROWS]: those of the first entry, then those of the second, … */
  stepIds(model: number): number;
  /** beginStep, runLayer for every layer, finishStep, commitStep. Status; if not 0 every sequence is as it was. */
  step(model: number, entries: number): number;
  /** Takes pages, embeds the rows. Status; if not 0 nothing has changed. */
  beginStep(model: number, entries: number): number;
  /** One block over the rows of the step. `keepAttention` 1: copies the probabilities to attentionRows. */
  runLayer(model: number, layer: number, keepAttention: number): void;
  /**
   * By each entry's mode. MODE_NONE: nothing. MODE_LAST: final norm and logits of its last row. MODE_ALL: final norm of all its rows, logits
   * of the last. Status.
   */
  finishStep(model: number): number;
  /** The step's tokens now belong to their sequences. */
  commitStep(model: number): void;
  /** Gives the step's new pages back; every sequence is as it was before beginStep. */
  abortStep(model: number): void;
  /** The entry that a status other than 0 is about: the first one that was found. */
  failedEntry(model: number): number;

  /** Elements (f32) from one activation row to the next. */
  rowStride(model: number): number;
  /** Hidden states of the step's rows, f32[rows][rowStride]: embeddings after beginStep, then the last layer's output. */
  hiddenRows(model: number): number;
  /** Final-norm rows after finishStep, f32[rows][rowStride]: those of entries of MODE_ALL. */
  normedRows(model: number): number;
  /**
   * Probabilities of the last layer run with keepAttention, f32[n_head][rows][attentionStride]: the row at position t has t + 1
   * entries, then +0. At most ATTENTION_ROWS rows of a step may be kept.
   */
  attentionRows(model: number): number;
  /** Elements from one row of attentionRows to the next. */
  attentionStride(model: number): number;

  // ── logits ──
  /** f32[HEAD_ROWS][logitsStride]: what headRows computes. */
  logitsRows(model: number): number;
  /** Elements from one row of logits to the next. */
  logitsStride(model: number): number;
  /** Logits of rows first … first + count − 1 of a step, of an entry of MODE_ALL, to rows 0 … count − 1. Status (NOT_FINITE). */
  headRows(model: number, first: number, count: number): number;
  /** 1 if sequenceLogits would not be 0. Computes nothing. */
  hasLogits(model: number, slot: number): number;
  /**
   * Address of the logits of the sequence's last token, f32[vocab], computed again if others took their place; 0 if they are not known
   * (empty, truncated since, or appended with MODE_NONE). Stays until the next step, headRows or sequenceLogits.
   */
  sequenceLogits(model: number, slot: number): number;

  // ── sampler ──
  /**
   * Where the bindings write the options, SAMPLER_* byte offsets below. The ids and values of the logit bias follow at
   * samplerBiasIds (u32[vocab]) and samplerBiasValues (f64[vocab]).
   */
  samplerOptions(model: number): number;
  samplerBiasIds(model: number): number;
  samplerBiasValues(model: number): number;
  /** Draws from `logits`, an address that sequenceLogits gave, the sequence's ids being the history. Returns the id. */
  sample(model: number, slot: number, logits: number): number;
  /** f32[vocab]: the row that distribution works on (it is the sampler's own place, no sequence's logits are touched). */
  samplerLogits(model: number): number;
  /** Forgets the history that distribution uses. */
  clearHistory(model: number): void;
  /** Adds `count` ids, u32 at `address` (staging will do), to that history. */
  addHistory(model: number, address: number, count: number): void;
  /** Probabilities of samplerLogits under the options and that history, written over samplerLogits. Returns how many tokens are kept. */
  distribution(model: number): number;
  /** log p of a token under `logits`, an address that sequenceLogits gave; no options applied. */
  logProbability(model: number, logits: number, id: number): number;
}

/** Largest address a region may end at. No region ends at 2³², where a loop's end would wrap to 0. */
export const MEMORY_LIMIT = 2 ** 32 - 65536;

/** Order of packTensor's `tensor`. Shapes as Hugging Face stores them. */
export const Tensor = {
  wte: 0, wpe: 1, lnFGain: 2, lnFBias: 3, head: 4,
  ln1Gain: 5, ln1Bias: 6, attnWeight: 7, attnBias: 8, attnProjWeight: 9, attnProjBias: 10,
  ln2Gain: 11, ln2Bias: 12, fcWeight: 13, fcBias: 14, mlpProjWeight: 15, mlpProjBias: 16,
} as const;
export type Tensor = (typeof Tensor)[keyof typeof Tensor];

export const WeightType = { f32: 0, q8: 1, q4: 2 } as const;
export type WeightType = (typeof WeightType)[keyof typeof WeightType];

export const CacheType = { f32: 0, f16: 1, q8: 2 } as const;
export type CacheType = (typeof CacheType)[keyof typeof CacheType];

/**
 * I8: i8[outputs][inputs]. U4: nibbles + 8, two a byte, the first one low, [outputs][inputs padded to a multiple of 32]: elements count
 * the padding. Q…: GGUF's block formats, docs/FORMATS.md.
 */
export const Dtype = {
  F32: 0, F16: 1, BF16: 2, F64: 3, I8: 4, U4: 5,
  Q4_0: 6, Q4_1: 7, Q5_0: 8, Q5_1: 9, Q8_0: 10, Q4_K: 11, Q5_K: 12, Q6_K: 13,
} as const;
export type Dtype = (typeof Dtype)[keyof typeof Dtype];

/** Index = layoutWeights' `activation`. */
export const ACTIVATIONS = ["gelu_tanh", "gelu_erf", "quick_gelu", "relu", "silu", "tanh"] as const;

export const FLAG_NO_SCALE = 1; // scale_attn_weights false
export const FLAG_INVERSE_LAYER = 2; // scale_attn_by_inverse_layer_idx true

export const Region = {
  header: 0, weights: 1, storedHead: 2, pages: 3, tables: 4, activations: 5, logits: 6, sampler: 7,
} as const;

export const MODE_NONE = 0;
export const MODE_LAST = 1;
export const MODE_ALL = 2;

/** u32 from one entry of a step to the next. */
export const ENTRY_WORDS = 8;

/** Most rows of a step run with keepAttention. */
export const ATTENTION_ROWS = 64;

/** Status of a step. */
export const Status = { ok: 0, context: 1, pages: 2, id: 3, notFinite: 4 } as const;

/** Byte offsets in samplerOptions. f64 unless said otherwise. */
export const SAMPLER_TEMPERATURE = 0;
export const SAMPLER_TOP_P = 8;
export const SAMPLER_MIN_P = 16;
export const SAMPLER_TYPICAL_P = 24;
export const SAMPLER_REPETITION = 32;
export const SAMPLER_PRESENCE = 40;
export const SAMPLER_FREQUENCY = 48;
export const SAMPLER_TOP_K = 56; // u32, 0 = off
export const SAMPLER_BIAS_COUNT = 60; // u32
export const SAMPLER_SEED_LOW = 64; // u32
export const SAMPLER_SEED_HIGH = 68; // u32
export const SAMPLER_STREAM = 72; // u32
export const SAMPLER_POSITION = 76; // u32; the index that the drawn token will have
export const SAMPLER_OPTIONS_BYTES = 80;
