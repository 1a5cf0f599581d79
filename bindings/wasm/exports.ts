import * as contract from "../../assembly/contract.ts";

/**
 * The contract between the module (assembly/index.ts) and the bindings.
 *
 * Addresses and byte counts are unsigned 32-bit numbers that JavaScript receives as signed ones: pass them through
 * `>>> 0`. `model` is the address of a model header; `slot` is the index of a sequence (0 … slots − 1).
 */
export interface KvasmExports {
  readonly memory: WebAssembly.Memory;

  // ── identity (WebAssembly.Global, .value) ──
  /** Of assembly/contract.ts. */
  readonly ABI_VERSION: WebAssembly.Global;
  /** docs/NUMERICS.md */
  readonly NUMERICS_VERSION: WebAssembly.Global;
  /** 1 if this is kvasm.relaxed.wasm, else 0. */
  readonly RELAXED_SIMD: WebAssembly.Global;

  /** 0, or 1 / 2 if scalar / SIMD arithmetic flushes subnormal numbers to zero on this host, 3 if its relaxed SIMD is not the standard's. */
  checkEngine(): number;
  /** The lowest address at which a model header may lie. */
  lowestBase(): number;

  // ── laying out and loading ──
  /**
   * Places header, staging and weights at `base` (a multiple of 64). `activation`: Activation; `flags`: FLAG_*;
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
  /** Free pages missing in the pool for appending `rows` tokens (copy of a shared last page included); 0 if there are enough. */
  pagesShort(model: number, slot: number, rows: number): number;
  /** Pages that can be had: free ones, and idle ones, which have to be forgotten first. */
  freePages(model: number): number;
  /** Address of the sequence's ids, u32[length]. */
  sequenceIds(model: number, slot: number): number;

  // ── shared prefixes ──
  /** A sequence's page `index` is not written to any more, and stays when nobody holds it. Returns its number. */
  knownPage(model: number, slot: number, index: number): number;
  /** The sequence holds that page, whose bits are the same, in the place of its own page `index`. */
  adoptedPage(model: number, slot: number, index: number, page: number): void;
  /** A known page is one like others again: free, if nobody holds it. */
  forgottenPage(model: number, page: number): void;
  /** Sequences that hold a page. */
  pageHolders(model: number, page: number): number;
  /** A slot of `length` tokens in known pages, u32 numbers at an address; ids are the caller's to fill. −1 if no slot is free. */
  openSharing(model: number, pages: number, length: number): number;
  /** Known pages that nobody holds. */
  idlePages(model: number): number;

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
   * of the last. MODE_ROWS: final norm of all its rows, and no logits: they are headRows'; no last row is kept. Status.
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
  /** Final-norm rows after finishStep, f32[rows][rowStride]: those of entries of MODE_ALL and MODE_ROWS. */
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
  /** Logits of rows first … first + count − 1 of a step, of an entry of MODE_ALL or MODE_ROWS, to rows 0 … count − 1. Status (NOT_FINITE). */
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
  /** Draws from `logits`, an address that sequenceLogits gave or a row of headRows, the sequence's first `length` ids being the history. Returns the id. */
  sample(model: number, slot: number, logits: number, length: number): number;
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
  /**
   * The `count` likeliest tokens under `logits`, 1 … vocab, in their order; of equal logits the lower id comes first. Returns the address of their log
   * probabilities, f64[count], with the ids behind them, u32[count]; until the next sample or distribution.
   */
  likeliest(model: number, logits: number, count: number): number;
  /** exp of a binary32, docs/NUMERICS.md. */
  exponential(x: number): number;
}

export {
  ABI_VERSION, ATTENTION_ROWS, ENTRY_WORDS, FLAG_INVERSE_LAYER, FLAG_NO_SCALE, GROUP, HEADER_BYTES, HEAD_ROWS, MAX_ROWS, MEMORY_LIMIT,
  MODE_ALL, MODE_LAST, MODE_NONE, MODE_ROWS, PAGE_TOKENS, STAGING_BYTES,
  SAMPLER_BIAS_COUNT, SAMPLER_FREQUENCY, SAMPLER_MIN_P, SAMPLER_POSITION, SAMPLER_PRESENCE, SAMPLER_REPETITION, SAMPLER_SEED_HIGH,
  SAMPLER_SEED_LOW, SAMPLER_STREAM, SAMPLER_TEMPERATURE, SAMPLER_TOP_K, SAMPLER_TOP_P, SAMPLER_TYPICAL_P,
} from "../../assembly/contract.ts";

/** packTensor's `tensor`. Shapes: weights/tensor-table.ts. */
export const Tensor = {
  wte: contract.WTE, wpe: contract.WPE, lnFGain: contract.LN_F_GAIN, lnFBias: contract.LN_F_BIAS, head: contract.HEAD,
  ln1Gain: contract.LN_1_GAIN, ln1Bias: contract.LN_1_BIAS, attnWeight: contract.ATTN_WEIGHT, attnBias: contract.ATTN_BIAS,
  attnProjWeight: contract.ATTN_PROJ_WEIGHT, attnProjBias: contract.ATTN_PROJ_BIAS, ln2Gain: contract.LN_2_GAIN, ln2Bias: contract.LN_2_BIAS,
  fcWeight: contract.FC_WEIGHT, fcBias: contract.FC_BIAS, mlpProjWeight: contract.MLP_PROJ_WEIGHT, mlpProjBias: contract.MLP_PROJ_BIAS,
} as const;
export type Tensor = (typeof Tensor)[keyof typeof Tensor];

export const WeightType = { f32: contract.WEIGHTS_F32, q8: contract.WEIGHTS_Q8, q4: contract.WEIGHTS_Q4 } as const;
export type WeightType = (typeof WeightType)[keyof typeof WeightType];

export const CacheType = { f32: contract.CACHE_F32, f16: contract.CACHE_F16, q8: contract.CACHE_Q8 } as const;
export type CacheType = (typeof CacheType)[keyof typeof CacheType];

export const Dtype = {
  F32: contract.F32, F16: contract.F16, BF16: contract.BF16, F64: contract.F64, I8: contract.I8, U4: contract.U4,
  Q4_0: contract.Q4_0, Q4_1: contract.Q4_1, Q5_0: contract.Q5_0, Q5_1: contract.Q5_1, Q8_0: contract.Q8_0,
  Q4_K: contract.Q4_K, Q5_K: contract.Q5_K, Q6_K: contract.Q6_K,
} as const;
export type Dtype = (typeof Dtype)[keyof typeof Dtype];

/** layoutWeights' `activation`. */
export const Activation = {
  gelu_tanh: contract.GELU_TANH, gelu_erf: contract.GELU_ERF, quick_gelu: contract.QUICK_GELU, relu: contract.RELU, silu: contract.SILU,
  tanh: contract.TANH,
} as const;
export type Activation = keyof typeof Activation;

export const Region = {
  header: contract.REGION_HEADER, weights: contract.REGION_WEIGHTS, storedHead: contract.REGION_STORED_HEAD, pages: contract.REGION_PAGES,
  tables: contract.REGION_TABLES, activations: contract.REGION_ACTIVATIONS, logits: contract.REGION_LOGITS, sampler: contract.REGION_SAMPLER,
} as const;

/** Of a step. */
export const Status = {
  ok: contract.OK, context: contract.CONTEXT, pages: contract.PAGES, id: contract.ID, notFinite: contract.NOT_FINITE,
} as const;

/** Most inputs of an int8 matrix: a row of activations has room for the sums of so many blocks. */
export const MOST_Q8_INPUTS = contract.MOST_BLOCKS * contract.BLOCK;
/** Most dimensions of a head in an int8 cache: its products sum exactly. */
export const MOST_Q8_HEAD = contract.BLOCK;

/** What the artifacts for threads have besides, whose memory is shared and imported as env.memory. */
export interface ThreadsExports extends KvasmExports {
  /** What a worker's instance does until the model ends: part `part` (1 …) of every job. Returns after endThreads. */
  runThread(model: number, part: number): void;
  /** Workers that are in runThread. */
  readyThreads(model: number): number;
  /** How many threads do the next jobs: 1 … layoutCache's `threads`. */
  useThreads(model: number, threads: number): void;
  endThreads(model: number): void;
  /** This instance's thread may not sleep and only looks on: a page's main thread. */
  forbidSleep(): void;
}
