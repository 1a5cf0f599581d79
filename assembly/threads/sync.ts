import { Header } from "../memory/header";

// The words that threads wait at. They lie apart from what they are about: two lines of a processor's cache, one for jobs and one for barriers.
// Whoever waits looks at its word for some microseconds, then counts itself among the sleepers and sleeps; whoever changes the word wakes
// sleepers only if there are any. Sleeps are timed: in some runtimes a thread that sleeps without an end cannot be ended.

/** Byte offsets of u32 words. JOB: the number of the job in its upper 24 bits, in how many parts it is done in the lower 8; 0 parts: end. */
export const JOB: usize = 0, JOB_SLEEPERS: usize = 4, READY: usize = 8;
/** PHASE counts barriers that all have come to; ARRIVED, who has come to the next one. */
export const PHASE: usize = 64, PHASE_SLEEPERS: usize = 68, ARRIVED: usize = 72;
export const SYNC_BYTES: u64 = 128;

/** Looks at a word before sleeping. Between two steps lie some 100 µs (sampling, the event loop); between two barriers far less. */
export const JOB_SPINS: u32 = 60000, BARRIER_SPINS: u32 = 20000;
/** Nanoseconds of a sleep; and how many of them a thread waits for others at a barrier before it gives up: ten seconds. */
const SLEEP: i64 = 50000000;
export const BARRIER_SLEEPS: u32 = 200;
/** Where a thread may not sleep it looks this often, which takes about as long. */
const BARRIER_LOOKS: u64 = 20000000000;

/** The one thing that an instance holds outside of memory, since an instance is one thread: whether it may sleep (a page's main thread may not). */
let maySleep: bool = true;

export function forbidSleep(): void { maySleep = false; }

/** Until the word at `address` is not `old`. `sleeps`: how many sleeps at most; from 0 it takes years. False: gave up. */
export function changed(address: usize, old: u32, sleepers: usize, spins: u32, sleeps: u32): bool {
  for (let i: u32 = 0; i < spins; i++) if (atomic.load<u32>(address) != old) return true;
  if (!maySleep) {
    for (let i: u64 = 0; i < BARRIER_LOOKS; i++) if (atomic.load<u32>(address) != old) return true;
    return false;
  }
  let left = sleeps;
  do {
    atomic.add<u32>(sleepers, 1);
    atomic.wait<i32>(address, <i32>old, SLEEP);
    atomic.sub<u32>(sleepers, 1);
    if (atomic.load<u32>(address) != old) return true;
  } while (--left != 0);
  return false;
}

/** Wakes who sleeps at `address`. */
export function wake(address: usize, sleepers: usize): void {
  if (atomic.load<u32>(sleepers) != 0) atomic.notify(address, -1);
}

/** A new job in so many parts: the workers' part of it begins. */
export function announce(h: Header, parts: u32): void {
  const word = h.sync + JOB;
  atomic.store<u32>(word, (((atomic.load<u32>(word) >> 8) + 1) << 8) | parts);
  wake(word, h.sync + JOB_SLEEPERS);
}
