import { headerOf } from "../memory/header";
import { work } from "../model/work";
import { JOB, JOB_SLEEPERS, JOB_SPINS, READY, announce, changed } from "./sync";

/** What a worker's instance does: its part of each job, until the model ends. Part 0 is the caller's. */
export function runThread(model: usize, part: u32): void {
  const h = headerOf(model);
  const word = h.sync + JOB;
  let seen: u32 = 0; // the word as the cache was initialised
  atomic.add<u32>(h.sync + READY, 1);
  while (true) {
    changed(word, seen, h.sync + JOB_SLEEPERS, JOB_SPINS, 0);
    seen = atomic.load<u32>(word);
    const parts = seen & 255;
    if (parts == 0) return;
    if (part < parts) work(h, part, parts);
  }
}

/** Workers that wait for jobs. */
export function readyThreads(model: usize): u32 {
  return atomic.load<u32>(headerOf(model).sync + READY);
}

/** How many threads do the next jobs, 1 … the number that the cache was laid out for. */
export function useThreads(model: usize, threads: u32): void { headerOf(model).team = threads; }

/** Ends the workers. */
export function endThreads(model: usize): void {
  announce(headerOf(model), 0);
}
