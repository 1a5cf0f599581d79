/** Weights and caches of every type: every way of computing gives the same bits. */
import { load } from "../../bindings/index.ts";
import type { Model } from "../../bindings/index.ts";
import { assert, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { throwsKvasm } from "../support/errors.ts";
import { someIds } from "../support/models.ts";
import { CACHES, WEIGHTS } from "../support/quantized.ts";
import { checkpointFiles } from "../support/reference.ts";
import type { Folder } from "../support/reference.ts";

/** "odd": no size is a multiple of 16 or 32; "head-size-10": values are padded. */
const MODELS: readonly Folder[] = ["base", "odd", "head-size-10", "untied"];

/** Logits of all rows, one after the other. */
function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function logitsOf(model: Model, ids: number[], chunks: readonly number[]): Float32Array {
  using sequence = model.sequence();
  const parts: Float32Array[] = [];
  for (let from = 0, turn = 0; from < ids.length; turn++) {
    const to = Math.min(from + chunks[turn % chunks.length], ids.length);
    parts.push(sequence.prefill(ids.slice(from, to), { all: true }));
    from = to;
  }
  return joined(parts);
}

describe("weights and caches of every type", () => {
  for (const weights of WEIGHTS) {
    for (const cache of CACHES) {
      it(`${weights} with a cache of ${cache}: the same bits in every chunking, by decoding, forked and truncated`, async () => {
        for (const folder of MODELS) {
          const model = await load(await checkpointFiles(folder), { weights, cache });
          assert.deepEqual([model.weights, model.cache], [weights, cache]);
          const { vocab_size } = model.config;
          const ids = someIds(Math.min(61, model.contextLength), vocab_size);
          const half = ids.length >> 1;
          const whole = logitsOf(model, ids, [ids.length]);
          for (const chunks of [[1], [2, 3], [16], [17, 1], [15, 33]]) sameBits(logitsOf(model, ids, chunks), whole, `${folder}, chunks of ${chunks}`);

          const row = (at: number): Float32Array => whole.subarray(at * vocab_size, (at + 1) * vocab_size);
          const sequence = model.sequence();
          sequence.prefill(ids.slice(0, half));
          const fork = sequence.fork();
          for (let at = half; at < ids.length; at++) sameBits(fork.decode(ids[at]), row(at), `${folder}, decoding token ${at} of a fork`);
          sequence.decode((ids[half] + 1) % vocab_size);
          sequence.truncate(half);
          sameBits(sequence.prefill(ids.slice(half), { all: true }), whole.subarray(half * vocab_size), `${folder}, after truncate`);
          assert.ok(model.verify(ids).identical, folder);
          sequence.dispose();
          fork.dispose();

          // The control: one token that differs changes every row from there on, and none before.
          const others = ids.map((id, at) => at === half ? (id + 1) % vocab_size : id);
          const changed = logitsOf(model, others, [ids.length]);
          sameBits(changed.subarray(0, half * vocab_size), whole.subarray(0, half * vocab_size), "before the other token");
          for (let at = half; at < ids.length; at++) differentBits(changed.subarray(at * vocab_size, (at + 1) * vocab_size), row(at), `row ${at}`);
          model.dispose();
        }
      });
    }
  }

  it("are nine models: no two have the same logits", async () => {
    const all: Float32Array[] = [];
    for (const weights of WEIGHTS) {
      for (const cache of CACHES) {
        const model = await load(await checkpointFiles("base"), { weights, cache });
        all.push(logitsOf(model, someIds(40, model.config.vocab_size), [40]));
        model.dispose();
      }
    }
    all.forEach((logits, i) => all.slice(i + 1).forEach((other) => differentBits(logits, other)));
  });

  it("take less memory the fewer bits they have", async () => {
    const bytes = async (options: object) => {
      const model = await load(await checkpointFiles("base"), options);
      const { memory } = model;
      model.dispose();
      return memory;
    };
    const [f32, q8, q4] = await Promise.all(WEIGHTS.map((weights) => bytes({ weights })));
    assert.ok(q8.weights < 0.3 * f32.weights && q4.weights < 0.7 * q8.weights, `${f32.weights}, ${q8.weights}, ${q4.weights}`);
    const [c32, c16, c8] = await Promise.all(CACHES.map((cache) => bytes({ cache })));
    assert.equal(c16.pages, c32.pages / 2);
    assert.ok(c8.pages < 0.7 * c16.pages, `${c8.pages}`);
  });

  it("do not depend on how the file comes: pieces of any size, F16 or F32 of the same numbers", async () => {
    const files = await checkpointFiles("odd");
    const bytes = files["model.safetensors"];
    for (const weights of ["q8", "q4"] as const) {
      const model = await load(files, { weights });
      const ids = someIds(20, model.config.vocab_size);
      const expected = logitsOf(model, ids, [20]);
      model.dispose();
      for (const size of [1, 7, 1000, 65537]) {
        let at = 0;
        const stream = new ReadableStream<Uint8Array>({
          pull(controller) {
            if (at >= bytes.length) controller.close();
            else controller.enqueue(bytes.slice(at, at += size));
          },
        });
        const other = await load({ ...files, "model.safetensors": stream }, { weights });
        sameBits(logitsOf(other, ids, [20]), expected, `pieces of ${size}`);
        other.dispose();
      }
    }
  });

  it("refuse what does not fit, as f32 does", async () => {
    const model = await load(await checkpointFiles("base"), { weights: "q4", cache: "q8", contextLength: 20, maxSequences: 1 });
    const sequence = model.sequence();
    sequence.prefill(someIds(20, model.config.vocab_size));
    throwsKvasm(() => sequence.decode(1), "context", "id");
    throwsKvasm(() => model.sequence().prefill([1]), "pages", "ids");
    throwsKvasm(() => model.verify(someIds(21, model.config.vocab_size)), "context", "ids");
    model.dispose();
    throwsKvasm(() => sequence.decode(1), "disposed");
  });
});
