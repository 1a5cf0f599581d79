/** Saved sequences to and from streams, here and in a worker: in pieces of any size, while the sequence goes on, and what goes wrong on the way. */
import { load } from "../../bindings/index.ts";
import type { Model, Sequence } from "../../bindings/index.ts";
import { connect } from "../../bindings/entries/worker.ts";
import type { RemoteModel } from "../../bindings/entries/worker.ts";
import { pieces } from "../support/checkpoint.ts";
import { assertKvasmError, rejectsKvasm } from "../support/errors.ts";
import { after, assert, before, describe, it, sameBits } from "../support/harness.ts";
import { NOT_OPTIONS } from "../support/hostile.ts";
import { someIds } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { randomCheckpoint } from "../support/reference-random.ts";
import { sameFile } from "../support/saved.ts";

const SHAPE = { n_embd: 128, n_head: 4, n_layer: 3, n_inner: 160, vocab_size: 60, n_positions: 512 };
const IDS = someIds(500, SHAPE.vocab_size);

/** Keeps what is written. */
class Kept {
  readonly parts: Uint8Array[] = [];
  closed = false;
  aborted: unknown;
  readonly stream: WritableStream<Uint8Array>;

  constructor(onPart: (count: number) => void | Promise<void> = () => {}) {
    this.stream = new WritableStream<Uint8Array>({
      write: async (part) => {
        this.parts.push(part);
        await onPart(this.parts.length);
      },
      close: () => { this.closed = true; },
      abort: (reason) => { this.aborted = reason; },
    });
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.parts.reduce((sum, part) => sum + part.length, 0));
    this.parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
    return all;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

let files: Files;
let model: Model;
let remote: RemoteModel;
let bytes: Uint8Array<ArrayBuffer>;
let next: Float32Array;

before(async () => {
  files = randomCheckpoint(SHAPE, 11);
  model = await load(files, { maxSequences: 3 });
  remote = await connect(files, { maxSequences: 2 });
  const sequence = model.sequence();
  sequence.append(IDS);
  bytes = sequence.save();
  next = sequence.decode(7);
  sequence.dispose();
});
after(async () => {
  model.dispose();
  await remote.dispose();
});

const nothingHeld = (): void => assert.equal(model.freePages, model.pages);

describe("a sequence that is saved to a stream", () => {
  it("is the same bytes, and the stream is closed", async () => {
    const sequence = model.restore(bytes);
    const kept = new Kept(turn);
    await sequence.saveTo(kept.stream);
    assert.ok(kept.closed && kept.parts.length > 3);
    sameFile(kept.bytes, bytes);
    sequence.dispose();
    nothingHeld();
  });

  it("is as it was at the call, whatever becomes of it meanwhile", async () => {
    const changes: ((sequence: Sequence) => unknown)[] = [(one) => one.decode(7), (one) => one.truncate(3), (one) => one.dispose()];
    for (const change of changes) {
      const kept = new Kept(turn);
      const sequence = model.restore(bytes);
      const other = model.sequence();
      const saving = sequence.saveTo(kept.stream);
      change(sequence);
      other.append(someIds(200, SHAPE.vocab_size, 3));
      await saving;
      sameFile(kept.bytes, bytes);
      other.dispose();
      sequence.dispose();
      nothingHeld();
    }
  });

  it("is an error where the stream fails, is in use, or is none, and where it is aborted", async () => {
    const sequence = model.restore(bytes);
    const failing = new Kept((count) => { if (count === 3) throw new Error("the disk is full"); });
    const error = await rejectsKvasm(() => sequence.saveTo(failing.stream), "source", "stream");
    assert.match(error.message, /disk is full/);
    const used = new Kept();
    used.stream.getWriter();
    await rejectsKvasm(() => sequence.saveTo(used.stream), "source", "stream");
    for (const value of [null, undefined, "file", {}, new Uint8Array(3)]) await rejectsKvasm(() => sequence.saveTo(value as never), "type", "stream");
    for (const value of NOT_OPTIONS) await rejectsKvasm(() => sequence.saveTo(new Kept().stream, value as never), "type", "save options");
    const controller = new AbortController();
    const reason = new Error("enough");
    const aborted = new Kept((count) => { if (count === 2) controller.abort(reason); });
    await assert.rejects(sequence.saveTo(aborted.stream, { signal: controller.signal }), reason);
    assert.equal(aborted.aborted, reason);
    assert.ok(!aborted.closed);
    const stuck = new Kept(() => new Promise(() => {}));
    const late = new AbortController();
    setTimeout(() => late.abort(reason), 20);
    await assert.rejects(sequence.saveTo(stuck.stream, { signal: late.signal }), reason);
    sequence.dispose();
    nothingHeld();
  });

  it("is an error where the model ends meanwhile", async () => {
    const short = await load(files, { maxSequences: 2 });
    const sequence = short.restore(bytes);
    const kept = new Kept((count) => { if (count === 2) short.dispose(); });
    await rejectsKvasm(() => sequence.saveTo(kept.stream), "disposed");
    assertKvasmError(kept.aborted, "disposed");
  });
});

describe("a sequence that is restored from a stream", () => {
  it("is the same, in pieces of any size", async () => {
    for (const sizes of [[bytes.length], [1, 127, 1, 63, 5000], [65536], [127, 1, bytes.length], [9973]]) {
      const sequence = await model.restoreFrom(pieces(bytes, ...sizes));
      assert.deepEqual([...sequence.ids], IDS);
      sameFile(sequence.save(), bytes);
      sameBits(sequence.decode(7), next);
      sequence.dispose();
      nothingHeld();
    }
  });

  it("is refused as from bytes, and the stream is let go", async () => {
    let cancelled = 0;
    const stream = (data: Uint8Array, size: number): ReadableStream<Uint8Array> => {
      let at = 0;
      return new ReadableStream({
        pull(controller) {
          if (at >= data.length) controller.close();
          else controller.enqueue(data.slice(at, at += size));
        },
        cancel() { cancelled++; },
      }, { highWaterMark: 0 });
    };
    const damaged = bytes.slice();
    damaged[40]! ^= 1;
    await rejectsKvasm(() => model.restoreFrom(stream(damaged, 4096)), "saved", "checksum");
    assert.equal(cancelled, 1);
    damaged[40]! ^= 1;
    damaged[damaged.length >> 1]! ^= 1;
    await rejectsKvasm(() => model.restoreFrom(stream(damaged, 4096)), "saved", "checksum");
    await rejectsKvasm(() => model.restoreFrom(stream(bytes.subarray(0, -5), 4096)), "saved", "length");
    await rejectsKvasm(() => model.restoreFrom(stream(bytes.subarray(0, 50), 4096)), "saved", "length");
    await rejectsKvasm(() => model.restoreFrom(stream(Uint8Array.from([...bytes.subarray(-3000), ...bytes]), 4096)), "saved", "format");
    nothingHeld();
  });

  it("is an error where the stream breaks off, is in use, or is none, and where it is aborted", async () => {
    let pulls = 0;
    const breaking = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (++pulls === 1) controller.enqueue(bytes.slice(0, 20_000));
        else controller.error(new Error("connection lost"));
      },
    }, { highWaterMark: 0 });
    assert.match((await rejectsKvasm(() => model.restoreFrom(breaking), "source", "stream")).message, /connection lost/);
    const used = pieces(bytes, 4096);
    used.getReader();
    await rejectsKvasm(() => model.restoreFrom(used), "source", "stream");
    for (const value of [null, undefined, bytes, {}]) await rejectsKvasm(() => model.restoreFrom(value as never), "type", "stream");
    await rejectsKvasm(() => model.restoreFrom(pieces(bytes, 4096), { signal: 1 } as never), "type", "signal");
    const reason = new Error("enough");
    const never = new ReadableStream<Uint8Array>({ pull: (controller) => (controller.enqueue(bytes.slice(0, 20_000)), new Promise(() => {})) });
    const late = new AbortController();
    setTimeout(() => late.abort(reason), 20);
    await assert.rejects(model.restoreFrom(never, { signal: late.signal }), reason);
    nothingHeld();
  });

  it("is recomputed if it may be, also then until it is aborted", async () => {
    const other = await load(files, { maxSequences: 1, cache: "f16" });
    await rejectsKvasm(() => other.restoreFrom(pieces(bytes, 4096)), "saved", "cache");
    const fresh = other.sequence();
    fresh.append(IDS);
    const expected = fresh.decode(7);
    fresh.dispose();
    const sequence = await other.restoreFrom(pieces(bytes, 4096), { recompute: true });
    sameBits(sequence.decode(7), expected);
    sequence.dispose();
    const controller = new AbortController();
    const reason = new Error("enough");
    const restoring = other.restoreFrom(pieces(bytes, bytes.length), { recompute: true, signal: controller.signal });
    restoring.catch(() => {});
    while (other.freePages === other.pages) await turn();
    controller.abort(reason);
    await assert.rejects(restoring, reason);
    assert.equal(other.freePages, other.pages);
    other.dispose();
  });
});

describe("a sequence in a worker", () => {
  it("is saved and restored as here, whole and by streams", async () => {
    const sequence = await remote.restore(bytes);
    assert.equal(bytes.length, (await sequence.save()).length, "the bytes are still here");
    sameFile(await sequence.save(), bytes);
    const kept = new Kept(turn);
    await sequence.saveTo(kept.stream);
    assert.ok(kept.closed);
    sameFile(kept.bytes, bytes);
    await sequence.dispose();
    const streamed = await remote.restoreFrom(pieces(bytes, 9973));
    assert.equal(streamed.length, IDS.length);
    sameBits(await streamed.decode(7), next);
    await streamed.dispose();
    assert.equal(await remote.freePages(), remote.pages);
  });

  it("refuses what is refused here, and keeps nothing", async () => {
    const damaged = bytes.slice();
    damaged[damaged.length >> 1]! ^= 1;
    await rejectsKvasm(() => remote.restore(damaged), "saved", "checksum");
    await rejectsKvasm(() => remote.restoreFrom(pieces(damaged, 4096)), "saved", "checksum");
    damaged[40]! ^= 1;
    await rejectsKvasm(() => remote.restoreFrom(pieces(damaged, 4096)), "saved", "checksum");
    await rejectsKvasm(() => remote.restoreFrom(pieces(bytes.subarray(0, -5), 4096)), "saved", "length");
    const sequence = await remote.restore(bytes);
    const failing = new Kept((count) => { if (count === 3) throw new Error("the disk is full"); });
    await rejectsKvasm(() => sequence.saveTo(failing.stream), "source", "stream");
    const controller = new AbortController();
    const reason = new Error("enough");
    await assert.rejects(sequence.saveTo(new Kept((count) => { if (count === 2) controller.abort(reason); }).stream, { signal: controller.signal }), reason);
    const late = new AbortController();
    setTimeout(() => late.abort(reason), 20);
    const never = new ReadableStream<Uint8Array>({ pull: (to) => (to.enqueue(bytes.slice(0, 20_000)), new Promise(() => {})) });
    await assert.rejects(remote.restoreFrom(never, { signal: late.signal }), reason);
    await sequence.dispose();
    for (let turns = 0; turns < 500 && await remote.freePages() !== remote.pages; turns++) await turn(); // what was aborted ends there a little later
    assert.equal(await remote.freePages(), remote.pages);
  });
});
