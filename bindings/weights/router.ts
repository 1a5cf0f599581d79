import type { TensorSink } from "./types.ts";
import type { KnownTensor } from "./places.ts";

/** What to do with the bytes of one tensor. */
export interface Piece {
  /** null: they are of no use. */
  readonly place: KnownTensor | null;
  readonly dtype: number;
  /** Bytes of what is never cut: an element, or a block of them. */
  readonly width: number;
  /** Elements in that many bytes. */
  readonly elements: number;
  /** Bytes of the tensor. */
  readonly bytes: number;
}

/** Bytes of the largest block. */
const MOST_WIDTH = 256;

/** Cuts a run of bytes at the borders of tensors and of elements or blocks. Nothing is copied but what two chunks share of one. */
export class Router {
  readonly #plan: readonly Piece[];
  readonly #sink: TensorSink;
  #index = 0;
  /** Bytes of the current tensor that have come, those of a partial block included. */
  #at = 0;
  readonly #partial = new Uint8Array(MOST_WIDTH);
  #partialBytes = 0;

  constructor(plan: readonly Piece[], sink: TensorSink) {
    this.#plan = plan.filter((piece) => piece.bytes > 0);
    this.#sink = sink;
  }

  write(chunk: Uint8Array): void {
    let from = 0;
    while (from < chunk.length) {
      const piece = this.#plan[this.#index];
      const to = Math.min(chunk.length, from + piece.bytes - this.#at);
      if (piece.place !== null) this.#pass(piece as Piece & { place: KnownTensor }, chunk.subarray(from, to));
      this.#at += to - from;
      from = to;
      if (this.#at === piece.bytes) {
        this.#index++;
        this.#at = 0;
      }
    }
  }

  #pass(piece: Piece & { place: KnownTensor }, bytes: Uint8Array): void {
    const { place, dtype, width, elements } = piece;
    let from = 0;
    let element = ((this.#at - this.#partialBytes) / width) * elements;
    if (this.#partialBytes > 0) {
      from = Math.min(width - this.#partialBytes, bytes.length);
      this.#partial.set(bytes.subarray(0, from), this.#partialBytes);
      this.#partialBytes += from;
      if (this.#partialBytes < width) return;
      this.#partialBytes = 0;
      this.#sink.write(place, dtype, element, this.#partial.subarray(0, width));
      element += elements;
    }
    const whole = from + Math.floor((bytes.length - from) / width) * width;
    if (whole > from) this.#sink.write(place, dtype, element, bytes.subarray(from, whole));
    this.#partial.set(bytes.subarray(whole));
    this.#partialBytes = bytes.length - whole;
  }
}
