/**
 * What attention needs beside its rows. Everything but `scale`, `pages`, `keys` and `values` is filled once, when the cache is laid out;
 * a thread has its own, since the scratch is its own. Addresses are absolute, strides in bytes.
 */
@unmanaged
export class Attention {
  heads: usize;
  headSize: usize;
  queryStride: usize; // from one row of queries to the next
  outStride: usize; // from one row of results to the next
  keyPageBytes: usize; valuePageBytes: usize; // from one page of a layer to the next
  keyHeadBytes: usize; valueHeadBytes: usize; // from one head of a page to the next

  // ── of the layer and the sequence ──
  scale: f32;
  pages: usize; // u32[⌈tokens / 16⌉], page numbers
  keys: usize; values: usize; // of this layer in page 0

  // ── scratch ──
  scores: usize; // f32[the larger of heads and 2][scoreBytes / 4]
  scoreBytes: usize; // context padded to 16 tokens
  sums: usize; // f32[the larger of heads and 2][panels · 16], panels = ⌈headSize / 16⌉
  divisors: usize; // f32[the larger of heads and 2]: sums of the exponentials, left for who wants probabilities
  // int8 cache only (q8/attention.ts)
  rowScales: usize; // f32[heads]
  queries: usize; // [the larger of heads and 2] rows of q8QueryBytes(headSize)
  blocks: usize; // [the larger of heads and 2][pages of the context] rows of Q8_BLOCK_ROW
  blockStride: usize; // from one head's blocks to the next
  copy: usize; // f32[the larger of headSize and context, padded to 16]
}
