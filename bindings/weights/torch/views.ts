import { Router } from "../router.ts";
import type { Piece } from "../router.ts";
import { ELEMENT_BYTES } from "../units.ts";
import type { KnownTensor } from "../places.ts";
import type { TensorPlace, TensorSink } from "../types.ts";
import type { Storage, TorchTensor } from "./state-dict.ts";

/** A tensor that the model has a place for. */
export interface Wanted {
  readonly place: KnownTensor;
  readonly dtype: number;
  readonly tensor: TorchTensor;
}

/** Bytes of one write of a tensor that is put in order. */
const PIECE = 1 << 16;
const LEAST_BUFFER = 1 << 16;

/**
 * Takes the bytes of a storage in order and hands the tensors in it on, each row by row. What lies there row by row already goes through
 * as it comes. What does not (a transposed matrix), or shares bytes with another tensor, is gathered first: that run alone.
 */
export function routerOf(storage: Storage, wanted: readonly Wanted[], sink: TensorSink): Router {
  const width = ELEMENT_BYTES[storage.dtype];
  const plan: Piece[] = [];
  const gathered = new Map<TensorPlace, Gathered>();
  let at = 0;
  for (const { begin, end, members } of runsOf(wanted)) {
    plan.push({ place: null, dtype: -1, width: 1, elements: 1, bytes: (begin - at) * width });
    const [{ place, dtype, tensor }] = members;
    const isPlain = members.length === 1 && isRowByRow(tensor);
    const target = isPlain ? place : { ...place }; // an object of its own, by which its bytes are told from others
    if (!isPlain) gathered.set(target, new Gathered(begin, (end - begin) * width, members, sink));
    plan.push({ place: target, dtype, width, elements: 1, bytes: (end - begin) * width });
    at = end;
  }
  plan.push({ place: null, dtype: -1, width: 1, elements: 1, bytes: (storage.elements - at) * width });
  return new Router(plan, {
    write(place, dtype, element, bytes) {
      const run = gathered.get(place);
      if (run === undefined) sink.write(place, dtype, element, bytes);
      else run.add(bytes);
    },
  });
}

/** Elements of a storage that tensors share, and the tensors. */
interface Run {
  readonly begin: number;
  end: number;
  readonly members: Wanted[];
}

/** In the order of the storage; no two overlap. */
function runsOf(wanted: readonly Wanted[]): Run[] {
  const runs: Run[] = [];
  for (const one of [...wanted].sort((a, b) => a.tensor.offset - b.tensor.offset)) {
    const { offset, shape, strides } = one.tensor;
    const end = shape.reduce((last, size, i) => last + (size - 1) * strides[i], offset) + 1;
    const before = runs[runs.length - 1];
    if (before === undefined || before.end <= offset) {
      runs.push({ begin: offset, end, members: [one] });
    } else {
      before.members.push(one);
      before.end = Math.max(before.end, end);
    }
  }
  return runs;
}

function isRowByRow({ shape, strides }: TorchTensor): boolean {
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== step) return false;
    step *= shape[i];
  }
  return true;
}

/** The bytes of a run until it is whole; then its tensors go on, one after the other. */
class Gathered {
  readonly #begin: number;
  readonly #bytes: number;
  readonly #members: readonly Wanted[];
  readonly #sink: TensorSink;
  #buffer = new Uint8Array(0);
  #filled = 0;

  /** @param begin the element of the storage that comes first */
  constructor(begin: number, bytes: number, members: readonly Wanted[], sink: TensorSink) {
    this.#begin = begin;
    this.#bytes = bytes;
    this.#members = members;
    this.#sink = sink;
  }

  add(bytes: Uint8Array): void {
    const filled = this.#filled + bytes.length;
    if (filled > this.#buffer.length) {
      // No more than twice what has come: a damaged file may promise anything.
      const longer = new Uint8Array(Math.min(this.#bytes, Math.max(LEAST_BUFFER, 2 * filled)));
      longer.set(this.#buffer.subarray(0, this.#filled));
      this.#buffer = longer;
    }
    this.#buffer.set(bytes, this.#filled);
    this.#filled = filled;
    if (filled < this.#bytes) return;
    for (const member of this.#members) inOrder(member, this.#buffer, this.#begin, this.#sink);
    this.#buffer = new Uint8Array(0);
  }
}

/** Hands a tensor on row by row. @param begin the element of the storage that `buffer` begins with */
function inOrder({ place, dtype, tensor: { storage, offset, shape, strides } }: Wanted, buffer: Uint8Array<ArrayBuffer>, begin: number, sink: TensorSink): void {
  // Elements have 2, 4 or 8 bytes: they are moved by two.
  const pairs = ELEMENT_BYTES[storage.dtype] / 2;
  const from = new Uint16Array(buffer.buffer);
  const piece = new Uint16Array(PIECE / 2);
  const bytes = new Uint8Array(piece.buffer);
  let filled = 0;
  let written = 0;
  const flush = (): void => {
    if (filled === 0) return;
    sink.write(place, dtype, written, bytes.subarray(0, 2 * filled));
    written += filled / pairs;
    filled = 0;
  };
  const [rows, columns] = shape.length === 2 ? shape : [1, shape[0]];
  const [rowStep, columnStep] = strides.length === 2 ? strides : [0, strides[0]];
  for (let row = 0; row < rows; row++) {
    let at = (offset - begin + row * rowStep) * pairs;
    for (let column = 0; column < columns; column++, at += columnStep * pairs) {
      for (let pair = 0; pair < pairs; pair++) piece[filled++] = from[at + pair];
      if (filled === piece.length) flush();
    }
  }
  flush();
}
