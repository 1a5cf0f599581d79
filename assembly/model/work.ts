import { Header } from "../memory/header";
import { barrier } from "../threads/barrier";
import { runBlock } from "./block";
import { linear } from "./linear";

// What the threads of a model do together, each its own part: the blocks of a step, or the head. Every thread runs the same code over the
// same header; what stands between two jobs is thread 0's.

const JOB_LAYERS: u32 = 0, JOB_HEAD: u32 = 1;

/** Part `part` of the job in the header. When the last barrier is passed, all of it is done. */
export function work(h: Header, part: u32, parts: u32): void {
  if (h.job == JOB_HEAD) {
    linear(h, h.logits, h.logitsBytes, h.jobRow, h.rowBytes, h.jobRows, h.head, h.width, h.vocab, part, parts);
    barrier(h);
  } else {
    for (let layer = h.jobFirst; layer < h.jobLast; layer++) runBlock(h, layer, h.jobKeep, part, parts);
  }
}

/** Layers first … last − 1 over the rows of the step. `keep`: of attention. */
export function runLayers(h: Header, first: u32, last: u32, keep: i32): void {
  h.job = JOB_LAYERS;
  h.jobFirst = first;
  h.jobLast = last;
  h.jobKeep = keep;
  work(h, 0, 1);
}

/** logits rows 0 … rows − 1 = head · x[rows], f32[rows][rowBytes / 4]. */
export function multiplyHead(h: Header, x: usize, rows: usize): void {
  h.job = JOB_HEAD;
  h.jobRow = x;
  h.jobRows = rows;
  work(h, 0, 1);
}
