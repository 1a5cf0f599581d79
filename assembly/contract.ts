// Numbers that the module and the bindings both need, once. Both compilers read this file, so it has untyped constants and nothing else:
// AssemblyScript takes them as i32, and i32 goes with every integer type.

/** Changes whenever the exports or these numbers do: bindings refuse a module of another version. */
export const ABI_VERSION = 9;
/** docs/NUMERICS.md. */
export const NUMERICS_VERSION = 2;

// ── types ──
/** What a model's matrices are held in. */
export const WEIGHTS_F32 = 0, WEIGHTS_Q8 = 1, WEIGHTS_Q4 = 2;
/** What keys and values are held in. */
export const CACHE_F32 = 0, CACHE_F16 = 1, CACHE_Q8 = 2;
/**
 * What a file's elements are. I8: i8[outputs][inputs]. U4: nibbles + 8, two a byte, the first one low, [outputs][inputs padded to whole
 * groups]. Q…: GGUF's block formats (docs/FORMATS.md).
 */
export const F32 = 0, F16 = 1, BF16 = 2, F64 = 3, I8 = 4, U4 = 5,
  Q4_0 = 6, Q4_1 = 7, Q5_0 = 8, Q5_1 = 9, Q8_0 = 10, Q4_K = 11, Q5_K = 12, Q6_K = 13;
/** Bytes of a block of GGUF's formats; elements of a block, and of a block of the K formats. */
export const Q4_0_BYTES = 18, Q4_1_BYTES = 20, Q5_0_BYTES = 22, Q5_1_BYTES = 24, Q8_0_BYTES = 34, Q4_K_BYTES = 144, Q5_K_BYTES = 176, Q6_K_BYTES = 210;
export const QUANTS = 32, QUANTS_K = 256;
/** Inputs of one output that share a scale in int4. */
export const GROUP = 32;
/** Inputs whose products with int8 surely sum exactly in 32 bits: 8192 · 127 · 2047 < 2³¹; and how many such blocks a row has room for. */
export const BLOCK = 8192, MOST_BLOCKS = 15;

// ── the model ──
/** Tensors; from LN_1_GAIN on those of a layer, in the order in which they lie. */
export const WTE = 0, WPE = 1, LN_F_GAIN = 2, LN_F_BIAS = 3, HEAD = 4,
  LN_1_GAIN = 5, LN_1_BIAS = 6, ATTN_WEIGHT = 7, ATTN_BIAS = 8, ATTN_PROJ_WEIGHT = 9, ATTN_PROJ_BIAS = 10,
  LN_2_GAIN = 11, LN_2_BIAS = 12, FC_WEIGHT = 13, FC_BIAS = 14, MLP_PROJ_WEIGHT = 15, MLP_PROJ_BIAS = 16;
export const TENSORS = 17;
export const GELU_TANH = 0, GELU_ERF = 1, QUICK_GELU = 2, RELU = 3, SILU = 4, TANH = 5;
/** scale_attn_weights is false; scale_attn_by_inverse_layer_idx is true. */
export const FLAG_NO_SCALE = 1, FLAG_INVERSE_LAYER = 2;

// ── memory ──
/** The largest address at which a region may end: 2³² − 65536. No region ends at 2³², where a loop's end would wrap to 0. */
export const MEMORY_LIMIT = 4294901760;
/** Bytes of the model header, and of staging. */
export const HEADER_BYTES = 1024, STAGING_BYTES = 262144;
/** Tokens of a cache page. */
export const PAGE_TOKENS = 16;
/** Regions, in the order of their addresses. */
export const REGION_HEADER = 0, REGION_WEIGHTS = 1, REGION_STORED_HEAD = 2, REGION_PAGES = 3, REGION_TABLES = 4, REGION_ACTIVATIONS = 5,
  REGION_LOGITS = 6, REGION_SAMPLER = 7;

// ── a step ──
/** Most rows (tokens) of a step: enough that reading the weights costs little beside the sums, few enough that they stay in the caches (docs/performance.md). */
export const MAX_ROWS = 128;
/** Rows of logits. */
export const HEAD_ROWS = 16;
/** Most rows of a step whose attention probabilities are kept. */
export const ATTENTION_ROWS = 64;
/** u32 from one entry of a step to the next. */
export const ENTRY_WORDS = 8;
/** Which logits an entry of a step asks for. */
export const MODE_NONE = 0, MODE_LAST = 1, MODE_ALL = 2, MODE_ROWS = 3;
/** What came of a step. */
export const OK = 0, CONTEXT = 1, PAGES = 2, ID = 3, NOT_FINITE = 4;

// ── the sampler: byte offsets of its options, f64 unless said otherwise ──
export const SAMPLER_TEMPERATURE = 0, SAMPLER_TOP_P = 8, SAMPLER_MIN_P = 16, SAMPLER_TYPICAL_P = 24,
  SAMPLER_REPETITION = 32, SAMPLER_PRESENCE = 40, SAMPLER_FREQUENCY = 48;
/** u32. TOP_K 0: off. POSITION: the index that the drawn token will have. */
export const SAMPLER_TOP_K = 56, SAMPLER_BIAS_COUNT = 60, SAMPLER_SEED_LOW = 64, SAMPLER_SEED_HIGH = 68, SAMPLER_STREAM = 72, SAMPLER_POSITION = 76;
