import { Attention } from "../kernels/attention-record";
import { Q8_BLOCK_ROW, q8QueryBytes } from "../kernels/q8/attention";
import { buffer, guarded } from "./support";

/** A record with scratch of its own, of `contextPages` pages: all of it between guards, and as an int8 cache needs it. */
export function recordOf(
  heads: usize, size: usize, contextPages: usize, keyPageBytes: usize, valuePageBytes: usize, keyHeadBytes: usize, valueHeadBytes: usize,
): Attention {
  const a = changetype<Attention>(heap.alloc(offsetof<Attention>()));
  a.heads = heads; a.headSize = size;
  a.queryStride = heads * size * 4; a.outStride = heads * size * 4;
  a.keyPageBytes = keyPageBytes; a.valuePageBytes = valuePageBytes; a.keyHeadBytes = keyHeadBytes; a.valueHeadBytes = valueHeadBytes;
  a.scoreBytes = contextPages * 64;
  a.blockStride = contextPages * Q8_BLOCK_ROW;
  const rows = max<usize>(heads, 2);
  a.scores = buffer(rows * a.scoreBytes);
  a.sums = buffer(rows * panelBytes(size));
  a.divisors = buffer(rows * 4);
  a.rowScales = buffer(rows * 4);
  a.queries = buffer(rows * q8QueryBytes(size));
  a.blocks = buffer(rows * a.blockStride);
  a.copy = buffer(max(a.scoreBytes, panelBytes(size)));
  return a;
}

function panelBytes(size: usize): usize { return ((size + 15) >> 4) << 6; }

/** Whether nobody wrote around any of its scratch. */
export function recordGuarded(a: Attention): bool {
  const rows = max<usize>(a.heads, 2);
  return guarded(a.scores, rows * a.scoreBytes) && guarded(a.sums, rows * panelBytes(a.headSize)) && guarded(a.divisors, rows * 4)
    && guarded(a.rowScales, rows * 4) && guarded(a.queries, rows * q8QueryBytes(a.headSize)) && guarded(a.blocks, rows * a.blockStride)
    && guarded(a.copy, max(a.scoreBytes, panelBytes(a.headSize)));
}
