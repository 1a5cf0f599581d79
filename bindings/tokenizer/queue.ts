/** Entries by rank, among equals by place: a binary heap of rank · 2³² + place. */
export class Queue {
  readonly #heap: number[] = [];

  add(rank: number, at: number): void {
    const heap = this.#heap;
    const key = rank * 2 ** 32 + at;
    let i = heap.length;
    for (let up = (i - 1) >> 1; i > 0 && heap[up] > key; i = up, up = (i - 1) >> 1) heap[i] = heap[up];
    heap[i] = key;
  }

  take(): [rank: number, at: number] | undefined {
    const heap = this.#heap;
    const top = heap[0];
    if (top === undefined) return undefined;
    const last = heap.pop()!;
    if (heap.length > 0) {
      let i = 0;
      for (let child = 1; child < heap.length; child = 2 * i + 1) {
        if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= last) break;
        heap[i] = heap[child];
        i = child;
      }
      heap[i] = last;
    }
    return [Math.floor(top / 2 ** 32), top % 2 ** 32];
  }
}
