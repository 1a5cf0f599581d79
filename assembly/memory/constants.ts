export const WEIGHTS_F32: u32 = 0, WEIGHTS_Q8: u32 = 1, WEIGHTS_Q4: u32 = 2;
export const CACHE_F32: u32 = 0, CACHE_F16: u32 = 1, CACHE_Q8: u32 = 2;

export const NO_PAGE: u32 = 0xffffffff;
export const PAGE_TOKENS: u32 = 16;
/** Rows of one step: enough that reading the weights costs little beside the sums, few enough for the second-level cache. */
export const MAX_ROWS: u32 = 128;
/** Rows of logits. */
export const HEAD_ROWS: u32 = 16;
export const ATTENTION_ROWS: u32 = 64;
export const STAGING_SIZE: usize = 262144;
/** Most threads of a model. */
export const MAX_THREADS: u32 = 16;
