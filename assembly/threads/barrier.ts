import { Header } from "../memory/header";
import { ARRIVED, BARRIER_SLEEPS, BARRIER_SPINS, PHASE, PHASE_SLEEPERS, changed, wake } from "./sync";

/** Until every thread of the job has come here. The artifacts for one thread have nobody to wait for. */
// @ts-ignore: decorator
@inline
export function barrier(h: Header): void {
  if (ASC_FEATURE_THREADS) {
    const parts = h.parts; // read before this thread has come: behind it thread 0 may write the next job's
    if (parts > 1) meet(h, parts);
  }
}

/** A thread that does not come within ten seconds has died: the trap is an error `worker` in the bindings, and the model is lost. */
function meet(h: Header, parts: u32): void {
  const sync = h.sync;
  const phase = atomic.load<u32>(sync + PHASE);
  if (atomic.add<u32>(sync + ARRIVED, 1) + 1 == parts) {
    atomic.store<u32>(sync + ARRIVED, 0);
    atomic.store<u32>(sync + PHASE, phase + 1);
    wake(sync + PHASE, sync + PHASE_SLEEPERS);
  } else if (!changed(sync + PHASE, phase, sync + PHASE_SLEEPERS, BARRIER_SPINS, BARRIER_SLEEPS)) {
    unreachable();
  }
}
