/** Bytes from the start of the header to its list of places: HEADER_BYTES hold the fields and that. */
export const PLACES: usize = 768;

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
  places: usize; // usize[TENSORS], behind these fields: where each tensor begins, of layer 0 if it is of a layer (weights/tensors.ts)
  layerBytes: usize; // from a layer's tensors to those of the next
  head: usize; // the embedding, or the stored head

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
  idleCount: u32; // pages that nobody holds and that are known
  references: usize; // u32[pages]
  slot0: usize; slotBytes: usize;

  // ── activations ──
  rowBytes: usize; // of hidden, normed, projected: width padded to 16 elements
  wideBytes: usize; // of wide: the larger of 3 · width and inner, padded
  hidden: usize; normed: usize; wide: usize;
  projected: usize; // also the final-norm rows that logits are made of, one behind the other
  integers: usize; integerBytes: usize; // quantised weights only: [MAX_ROWS] rows of activations (types/weights.ts)
  scoreBytes: usize; // of one row of scores: context padded to 16 elements
  attention: usize; // f32[heads][ATTENTION_ROWS][scoreBytes / 4], for trace
  ids: usize; // u32[MAX_ROWS]
  logits: usize; // f32[HEAD_ROWS][logitsBytes / 4]
  logitsBytes: usize;
  logitsOwners: usize; // i32[HEAD_ROWS] (model/logits.ts)

  // ── threads ──
  threads: u32; // that there is scratch for
  team: u32; // of them, those that do the jobs
  parts: u32; // of the job under way
  sync: usize; // the words that they wait at (threads/sync.ts)
  scratch: usize; scratchBytes: usize; // ThreadScratch of each thread (memory/thread-scratch.ts)

  // ── the step under way ──
  entries: usize; // Entry[MAX_ROWS] (memory/entry.ts)
  stepEntries: u32; // how many of them
  stepRows: u32; // of all entries
  stepFailed: u32; // the entry that a status is about

  // ── what the threads are at (model/work.ts) ──
  job: u32; // JOB_*
  jobFirst: u32; jobLast: u32; // layers first … last − 1
  jobKeep: i32; // 1: attention probabilities are kept
  jobRows: usize; // rows that the head is multiplied with
  jobRow: usize; // the first of them, rowBytes apart

  // ── sampler ──
  samplerOptions: usize; biasIds: usize; biasValues: usize; counts: usize; samplerLogits: usize; samplerScratch: usize;
}

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
