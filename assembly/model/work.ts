import { Header } from "../memory/header";
import { barrier } from "../threads/barrier";
import { announce } from "../threads/sync";
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
    // Taken before the first barrier: behind the last one, thread 0 may have written the next job.
    const last = h.jobLast, keep = h.jobKeep;
    for (let layer = h.jobFirst; layer < last; layer++) runBlock(h, layer, keep, part, parts);
  }
}

/** Layers first … last − 1 over the rows of the step. `keep`: of attention. */
export function runLayers(h: Header, first: u32, last: u32, keep: i32): void {
  h.job = JOB_LAYERS;
  h.jobFirst = first;
  h.jobLast = last;
  h.jobKeep = keep;
  together(h);
}

/** logits rows 0 … rows − 1 = head · x[rows], f32[rows][rowBytes / 4]. */
export function multiplyHead(h: Header, x: usize, rows: usize): void {
  h.job = JOB_HEAD;
  h.jobRow = x;
  h.jobRows = rows;
  together(h);
}

/** Thread 0's part of a job, and the signal for the others. */
function together(h: Header): void {
  if (ASC_FEATURE_THREADS) {
    const team = h.team;
    h.parts = team;
    if (team > 1) announce(h, team);
    work(h, 0, team);
  } else {
    work(h, 0, 1);
  }
}
