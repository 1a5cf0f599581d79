/** What is missing for threads ends in one thread with the reason; what fails later is a typed error; nothing stays pending. */
import { load } from "../../bindings/index.ts";
import type { LoadOptions, Model } from "../../bindings/index.ts";
import { throwsKvasm } from "../support/errors.ts";
import { repositoryFile } from "../support/files.ts";
import { assert, describe, it, sameBits } from "../support/harness.ts";
import { checkpointFiles } from "../support/reference.ts";

const script = (text: string): URL => new URL(`data:text/javascript,${encodeURIComponent(text)}`);
/** A worker that does what `take` says with a message, after the module was instantiated. */
const worker = (take: string): URL => script(`import { parentPort } from "node:worker_threads"; let exports; parentPort.on("message", (data) => {
  if (data.module) exports = new WebAssembly.Instance(data.module, { env: { memory: data.memory } }).exports; else { ${take} } });`);

async function loaded(options: LoadOptions): Promise<Model> {
  return load(await checkpointFiles("base"), options);
}

/** One thread computes, the right bits, and the reason is told within the deadline. */
async function isAlone(options: LoadOptions, reason: RegExp): Promise<void> {
  const began = performance.now();
  const model = await loaded({ threads: 2, ...options });
  assert.ok(performance.now() - began < 10_000);
  assert.equal(model.threads.used, 1);
  assert.match(model.threads.reason!, reason);
  const one = await loaded({});
  sameBits(model.sequence().prefill([1, 2, 3]), one.sequence().prefill([1, 2, 3]));
  one.dispose();
  model.dispose();
}

describe("threads that cannot be had", () => {
  it("for want of SharedArrayBuffer", async () => {
    const { SharedArrayBuffer } = globalThis;
    try {
      (globalThis as { SharedArrayBuffer?: unknown }).SharedArrayBuffer = undefined;
      await isAlone({}, /SharedArrayBuffer/);
    } finally {
      globalThis.SharedArrayBuffer = SharedArrayBuffer;
    }
  });

  it("since the module is for one", async () => isAlone({ wasm: await repositoryFile("dist/kvasm.wasm") as Uint8Array<ArrayBuffer> }, /one thread/));
  it("since the worker's script is not there", () => isAlone({ workerUrl: new URL("file:///nowhere/worker.mjs") }, /worker/));
  it("since the script throws", () => isAlone({ workerUrl: script("throw new Error('broken')") }, /worker/));
  it("since the script throws with the message", () => isAlone({ workerUrl: worker("throw new Error('broken')") }, /worker/));
  it("since the script does nothing", () => isAlone({ workerUrl: script("import 'node:worker_threads'; setInterval(() => {}, 1000);") }, /2000 ms|ended/));

  it("for want of a shared memory", async () => {
    const { Memory } = WebAssembly;
    try {
      WebAssembly.Memory = class extends Memory {
        constructor(descriptor: WebAssembly.MemoryDescriptor) {
          if (descriptor.initial > 2) throw new RangeError("could not allocate memory");
          super(descriptor);
        }
      } as typeof Memory;
      await isAlone({}, /no shared memory/);
    } finally {
      WebAssembly.Memory = Memory;
    }
  });
});

describe("a worker that fails later", () => {
  it("is a typed error, and the model can be loaded again", { timeout: 60_000 }, async () => {
    // It says that it is ready and does no part of anything.
    const model = await loaded({ threads: 2, workerUrl: worker("exports.runThread(data.header, 200)") });
    assert.equal(model.threads.used, 2);
    const sequence = model.sequence();
    throwsKvasm(() => sequence.prefill([1, 2, 3]), "worker", "threads");
    throwsKvasm(() => sequence.decode(1), "worker", "threads"); // at once
    model.dispose();
    const again = await loaded({ threads: 2 });
    const one = await loaded({});
    sameBits(again.sequence().prefill([1, 2, 3]), one.sequence().prefill([1, 2, 3]));
    again.dispose();
    one.dispose();
  });
});
