/** A model in a worker: the same bits as in this thread, the same errors, aborts, and what happens when the worker does not do its part. */
import { load } from "../../bindings/index.ts";
import type { GeneratedToken, Model } from "../../bindings/index.ts";
import { connect } from "../../bindings/entries/worker.ts";
import type { RemoteModel, WebWorker } from "../../bindings/entries/worker.ts";
import { assertKvasmError, rejectsKvasm } from "../support/errors.ts";
import { repositoryUrl } from "../support/files.ts";
import { after, assert, before, describe, it, differentBits, sameBits } from "../support/harness.ts";

const PROMPT = "Once upon a time";
let here: Model;
let there: RemoteModel;
const progress: number[] = [];

before(async () => {
  here = await load();
  there = await connect(undefined, { onProgress: ({ loaded }) => void progress.push(loaded) });
});
after(async () => {
  here.dispose();
  await there.dispose();
});

async function all(generation: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const items = [];
  for await (const item of generation) items.push(item);
  return items;
}

describe("a model in a worker", () => {
  it("is described as the same model is here, and told its progress", () => {
    assert.deepEqual({ ...there.config }, { ...here.config });
    assert.deepEqual({ ...there.memory }, { ...here.memory });
    for (const key of ["weights", "cache", "relaxedSimd", "contextLength", "pages"] as const) assert.equal(there[key], here[key]);
    assert.deepEqual(there.notes, here.notes);
    assert.equal(there.tokenizer!.vocabSize, here.tokenizer!.vocabSize);
    assert.ok(progress.length > 1 && progress.every((value, i) => i === 0 || value >= progress[i - 1]));
  });

  it("gives the same tokens, texts and log probabilities", async () => {
    const options = { maxTokens: 12, seed: 7, logprobs: true };
    const [mine, theirs] = [await all(here.generate(PROMPT, options)), await all(there.generate(PROMPT, options))];
    assert.deepEqual(theirs, mine);
    assert.notDeepEqual(await all(there.generate(PROMPT, { ...options, seed: 8 })), mine);
    assert.equal(await there.generate(PROMPT, options).seed, 7);
    assert.deepEqual(await there.tokenizer!.encode(PROMPT), here.tokenizer!.encode(PROMPT));
    assert.equal(await there.tokenizer!.decode([464, 2068]), here.tokenizer!.decode([464, 2068]));
  });

  it("gives the same logits, to the bit", async () => {
    const mine = here.sequence();
    const theirs = await there.sequence();
    sameBits(await theirs.prefill([464, 2068, 7586]), mine.prefill([464, 2068, 7586]));
    sameBits(await theirs.decode(11), mine.decode(11));
    differentBits(await theirs.decode(12), mine.decode(13));
    const branch = await theirs.fork();
    await branch.truncate(2);
    assert.deepEqual([theirs.length, branch.length], [5, 2]);
    assert.deepEqual([...await branch.ids()], [464, 2068]);
    mine.truncate(2);
    sameBits(await branch.prefill([5, 6], { all: true }), mine.prefill([5, 6], { all: true }));
    assert.equal(await branch.sample({ temperature: 0 }), mine.sample({ temperature: 0 }));
    await Promise.all([branch.dispose(), theirs.dispose(), theirs.dispose()]);
    mine.dispose();
    assert.equal(await there.freePages(), there.pages);
  });

  it("steps several sequences at once", async () => {
    const [a, b] = [await there.sequence(), await there.sequence()];
    const [c, d] = [here.sequence(), here.sequence()];
    const theirs = await there.step([{ sequence: a, ids: [464, 2068] }, { sequence: b, ids: [5], logits: "none" }]);
    const mine = here.step([{ sequence: c, ids: [464, 2068] }, { sequence: d, ids: [5], logits: "none" }]);
    sameBits(theirs[0]!, mine[0]!);
    assert.deepEqual([theirs[1], a.length, b.length], [null, 2, 1]);
    await rejectsKvasm(() => there.step([{ sequence: a, ids: [1] }, { sequence: {} as never, ids: [1] }]), "type", "entries[1].sequence");
    await rejectsKvasm(() => there.step([{ sequence: a, ids: [1] }, { sequence: a, ids: [1] }]), "value", "entries[1].sequence");
    assert.equal(a.length, 2);
    for (const sequence of [a, b]) await sequence.dispose();
    for (const sequence of [c, d]) sequence.dispose();
  });

  it("verifies, traces, estimates and distributes", async () => {
    assert.ok((await there.verify([464, 2068])).identical);
    const [mine, theirs] = [here.trace([464, 2068]), await there.trace([464, 2068])];
    sameBits(theirs.logits, mine.logits);
    assert.deepEqual(await there.estimate({ ...here.config }), await (await import("../../bindings/index.ts")).estimate({ ...here.config }));
    sameBits(await there.distribution(mine.logits.slice(0, here.config.vocab_size)), here.distribution(mine.logits.slice(0, here.config.vocab_size)));
  });

  it("serves several at a time", async () => {
    const texts = await Promise.all([1, 2, 3].map((seed) => all(there.generate(PROMPT, { maxTokens: 6, seed }))));
    for (const [i, items] of texts.entries()) assert.deepEqual(items, await all(here.generate(PROMPT, { maxTokens: 6, seed: i + 1 })));
  });

  it("computes no token before it is asked for", async () => {
    const generation = there.generate(PROMPT, { maxTokens: 400, ignoreEos: true, seed: 1 });
    await generation.next();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const held = there.pages - await there.freePages();
    assert.equal(held, 1, "pages of a prompt of 4 tokens and one more");
    await generation.return();
    assert.equal(await there.freePages(), there.pages);
  });
});

describe("a constrained text", () => {
  it("is here what it is there, and an error before its first token is too", async () => {
    for (const constrain of [{ choices: ["one", "two"] }, { regex: /[a-f]{9}/u }, { jsonSchema: { type: "array", items: { enum: ["a", "b"] }, maxItems: 4 } }]) {
      assert.deepEqual(await all(there.generate(PROMPT, { constrain, seed: 2, topLogprobs: 3 })), await all(here.generate(PROMPT, { constrain, seed: 2, topLogprobs: 3 })));
    }
    assert.deepEqual(await all(there.generate(PROMPT, { n: 3, seed: 2, maxTokens: 5 })), await all(here.generate(PROMPT, { n: 3, seed: 2, maxTokens: 5 })));
    for await (const { finish } of there.generate(PROMPT, { n: 2, seed: 2, maxTokens: 1 })) if (finish !== undefined) break;
    await rejectsKvasm(() => all(there.generate(PROMPT, { constrain: { regex: "[]" } })), "value", "constrain");
    assert.equal(await there.freePages(), there.pages);
  });
});

describe("an abort", () => {
  it("reaches a generation that runs, and throws the reason itself", async () => {
    const controller = new AbortController();
    const reason = { why: "enough" };
    let count = 0;
    try {
      for await (const _ of there.generate(PROMPT, { ignoreEos: true, seed: 1, signal: controller.signal })) if (++count === 5) controller.abort(reason);
      assert.fail("it went on");
    } catch (error) {
      assert.equal(error, reason);
    }
    assert.equal(count, 5);
    assert.equal(await there.freePages(), there.pages);
  });

  it("ends loading, and the worker", async () => {
    const controller = new AbortController();
    await assert.rejects(connect(undefined, { signal: controller.signal, onProgress: () => controller.abort(new Error("no more")) }), /no more/);
    await assert.rejects(connect(undefined, { signal: AbortSignal.abort(new Error("never")) }), /never/);
  });
});

describe("what is wrong", () => {
  it("is the same KvasmError on this side", async () => {
    const sequence = await there.sequence();
    const error = await rejectsKvasm(() => sequence.prefill([1, 60_000]), "value", "ids[1]");
    assert.equal(error.value, 60_000);
    await rejectsKvasm(() => sequence.decode("x" as never), "type", "id");
    assert.equal(sequence.length, 0);
    await sequence.dispose();
    await rejectsKvasm(() => sequence.decode(1), "disposed");
    await rejectsKvasm(() => all(there.generate(PROMPT, { maxTokens: 0 })), "value", "maxTokens");
    await rejectsKvasm(() => connect(repositoryUrl("tests/fixtures/nowhere/")), "source");
    await rejectsKvasm(() => connect(new URL("ftp://127.0.0.1/model/")), "unsupported", "source");
  });

  it("is refused where it cannot cross", async () => {
    await rejectsKvasm(() => connect(undefined, { fetch: () => {} } as never), "option");
    await rejectsKvasm(() => connect(undefined, { worker: {} as never }), "type", "worker");
    await rejectsKvasm(() => connect(undefined, { deadline: 0 }), "value", "deadline");
    await rejectsKvasm(() => all(there.generate(PROMPT, { logitBias: (() => {}) as never })), "type", "logitBias");
    await rejectsKvasm(() => all(there.generate(PROMPT, { processors: [() => {}] })), "type", "processors");
  });
});

describe("a worker that does not do its part", () => {
  /** Takes messages and answers as told. */
  function worker(behave: (emit: (type: string, event: object) => void, message: { type: string; line?: string } | "start") => void): WebWorker & { ended: boolean } {
    const listeners = new Map<string, ((event: never) => void)[]>();
    const emit = (type: string, event: object): void => (listeners.get(type) ?? []).forEach((listener) => listener(event as never));
    setTimeout(() => behave(emit, "start"));
    return {
      ended: false,
      postMessage: (message: unknown) => setTimeout(() => behave(emit, message as { type: string; line: string })),
      addEventListener: (type, listener) => void listeners.set(type, [...listeners.get(type) ?? [], listener]),
      terminate() { this.ended = true; },
    };
  }

  it("does not come up: an error after the deadline", async () => {
    const began = Date.now();
    const error = await rejectsKvasm(() => connect(undefined, { worker: worker(() => {}), deadline: 100 }), "worker", "deadline");
    assert.match(error.message, /deadline of 100 ms.*serve\(\)/);
    assert.ok(Date.now() - began < 5000);
  });

  it("throws while it starts: an error with the reason", async () => {
    const error = await rejectsKvasm(() => connect(undefined, { worker: worker((emit, message) => message === "start" && emit("error", { message: "Unexpected token" })) }), "worker", "worker");
    assert.match(error.message, /Unexpected token/);
  });

  it("dies while it computes: nothing stays pending", async () => {
    const dying = worker((emit, message) => {
      if (message === "start") return;
      if (message.type === "hello") emit("message", { data: { type: "ready", line: message.line } });
      else emit("error", { message: "out of memory" });
    });
    const error = await rejectsKvasm(() => connect(undefined, { worker: dying }), "worker");
    assert.match(error.message, /out of memory/);
    assert.equal(dying.ended, false, "it is the caller's");
  });

  it("and after dispose, calls under way and later ones are errors", async () => {
    const model = await connect();
    const sequence = await model.sequence();
    const pending = [sequence.prefill([1, 2, 3]), model.verify([1, 2, 3, 4]), all(model.generate(PROMPT, { maxTokens: 50 }))].map((promise) => promise.then(() => "done", (error) => assertKvasmError(error, "disposed").code));
    await model.dispose();
    for (const outcome of await Promise.all(pending)) assert.ok(["done", "disposed"].includes(outcome));
    await rejectsKvasm(() => model.verify([1]), "disposed");
    await model.dispose();
  });
});
