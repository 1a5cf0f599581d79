/** generate: what it yields, when it ends, what it refuses, and that it leaves nothing behind. */
import { load } from "../../bindings/index.ts";
import type { GenerateOptions, GeneratedToken, Ids, Model } from "../../bindings/index.ts";
import { rejectsKvasm, throwsKvasm } from "../support/errors.ts";
import { after, afterEach, assert, before, describe, it } from "../support/harness.ts";
import { NOT_BOOLEAN, NOT_IDS, NOT_INTEGER, NOT_NUMBER, NOT_OPTIONS, badIds } from "../support/hostile.ts";
import { someIds, withBrokenPosition, withModel, withPositions } from "../support/models.ts";
import { withConfig } from "../support/reference-edit.ts";
import { argmaxOf, checkpointFiles } from "../support/reference.ts";

async function collect(items: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const all: GeneratedToken[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const idsOf = (items: readonly GeneratedToken[]) => items.map(({ id }) => id);
const textOf = (items: readonly GeneratedToken[]) => items.map(({ text }) => text).join("");

describe("generate, from ids", () => {
  let model: Model;
  let prompt: number[];
  const run = (options: GenerateOptions, ids: Ids = prompt) => collect(model.generate(ids, options));

  before(async () => {
    model = await load(await checkpointFiles("base"));
    prompt = someIds(10, model.config.vocab_size);
  });
  after(() => model.dispose());
  afterEach(() => assert.equal(model.freePages, model.pages, "pages that were not given back"));

  it("yields what prefill, sample and decode give", async () => {
    for (const options of [{ temperature: 0 }, { seed: 3 }, { seed: 4, temperature: 0.8, topK: 20, repetitionPenalty: 1.2, presencePenalty: 0.5 }]) {
      const items = await run({ ...options, maxTokens: 30, ignoreEos: true, logprobs: true });
      const sequence = model.sequence();
      let logits = sequence.prefill(prompt);
      for (const { id, logprob, text } of items) {
        assert.equal(id, sequence.sample(options));
        const largest = logits[argmaxOf(logits)];
        const sum = logits.reduce((total, x) => total + Math.exp(x - largest), 0);
        // exp is good to 1 ulp of binary32 here, and so is the sum of what it gives.
        assert.ok(Math.abs(logprob! - (logits[id] - largest - Math.log(sum))) < 2 ** -22, `${logprob}`);
        assert.equal(text, ""); // no tokenizer came with it
        logits = sequence.decode(id);
      }
      assert.equal(items.length, 30);
      sequence.dispose();
    }
  });

  it("says `length` on the last of maxTokens, and on no other", async () => {
    for (const maxTokens of [1, 2, 7]) {
      const items = await run({ maxTokens, seed: 1, ignoreEos: true });
      assert.deepEqual(items.map(({ finish }) => finish), [...Array(maxTokens - 1).fill(undefined), "length"]);
      assert.ok(items.slice(0, -1).every((item) => !("finish" in item)));
      assert.ok(items.every((item) => !("logprob" in item)));
    }
  });

  it("says `context` when the context is full: the last token needs no room", async () => {
    for (const length of [1, 60, 63, 64]) {
      const items = await run({ seed: 1, ignoreEos: true }, someIds(length, model.config.vocab_size));
      assert.equal(items.length, 64 - length + 1);
      assert.equal(items.at(-1)!.finish, "context");
    }
    assert.equal((await run({ seed: 1, ignoreEos: true, maxTokens: 5 }, someIds(60, model.config.vocab_size))).at(-1)!.finish, "length");
  });

  it("goes on from a kept window on request, which is prefilled anew", async () => {
    for (const keep of [1, 16, 40, 63]) {
      const items = await run({ temperature: 0, ignoreEos: true, keep, maxTokens: 150 });
      assert.equal(items.length, 150);
      assert.equal(items.at(-1)!.finish, "length");
      // The same by hand.
      const sequence = model.sequence();
      sequence.prefill(prompt);
      const text = [...prompt];
      for (const { id } of items) {
        assert.equal(id, sequence.sample({ temperature: 0 }));
        text.push(id);
        if (sequence.length < model.contextLength) {
          sequence.decode(id);
        } else {
          sequence.truncate(0);
          sequence.prefill(text.slice(-keep));
        }
      }
      sequence.dispose();
    }
  });

  it("draws by the position in the whole text, also after a kept window", async () => {
    // Nearly equal probabilities: the ids show the random numbers. They must not repeat when positions in the cache do.
    const items = idsOf(await run({ seed: 11, temperature: 1e6, ignoreEos: true, keep: 10, maxTokens: 54 * 3 + 10 }));
    const period = 54;
    const repeated = items.slice(0, period).filter((id, i) => id === items[i + period]).length;
    assert.ok(repeated < 8, `${repeated} of ${period} repeat`);
  });

  it("ends with an end-of-text token, a number or a list, unless they are ignored", async () => {
    const bias = (id: number) => ({ temperature: 0, logitBias: { [id]: 1e6 }, maxTokens: 3 });
    const { eos_token_id } = model.config;
    const ended = await run(bias(eos_token_id as number));
    assert.deepEqual(ended, [{ id: eos_token_id, text: "", finish: "eos" }]);
    assert.deepEqual(idsOf(await run({ ...bias(eos_token_id as number), ignoreEos: true })), [eos_token_id, eos_token_id, eos_token_id]);
    await withModel(withConfig(await checkpointFiles("base"), { eos_token_id: [5, 7] }), async (listed) => {
      for (const id of [5, 7]) assert.deepEqual(await collect(listed.generate(prompt, bias(id))), [{ id, text: "", finish: "eos" }]);
      assert.equal((await collect(listed.generate(prompt, bias(6)))).at(-1)!.finish, "length");
    });
    await withModel(withConfig(await checkpointFiles("base"), { eos_token_id: null }), async (none) => {
      assert.equal((await collect(none.generate(prompt, bias(330)))).at(-1)!.finish, "length");
    });
  });

  it("starts an empty prompt with the BOS token", async () => {
    const { bos_token_id } = model.config;
    const expected = idsOf(await run({ temperature: 0, maxTokens: 5 }, [bos_token_id!]));
    for (const empty of [[], "", new Uint32Array()]) {
      assert.deepEqual(idsOf(await collect(model.generate(empty, { temperature: 0, maxTokens: 5 }))), expected);
    }
    await withModel(withConfig(await checkpointFiles("base"), { bos_token_id: null }), (without) => {
      throwsKvasm(() => without.generate(""), "value", "prompt");
      throwsKvasm(() => without.generate([]), "value", "prompt");
    });
  });

  it("takes a random seed and tells it", async () => {
    const generation = model.generate(prompt, { maxTokens: 12, temperature: 2 });
    const { seed } = generation;
    assert.ok(Number.isSafeInteger(seed) && seed >= 0);
    const ids = idsOf(await collect(generation));
    assert.deepEqual(idsOf(await run({ maxTokens: 12, temperature: 2, seed })), ids);
    assert.equal(model.generate(prompt, { seed: 9 }).seed, 9);
    assert.notEqual(model.generate(prompt).seed, model.generate(prompt).seed);
  });

  it("is the same beside another generator and beside sequences", async () => {
    const options = { seed: 2, temperature: 0.9, maxTokens: 40, ignoreEos: true, frequencyPenalty: 0.3 };
    const other = { seed: 8, temperature: 1.5, maxTokens: 40, ignoreEos: true, logitBias: { 3: 4 } };
    const alone = [idsOf(await run(options)), idsOf(await run(other, [4, 5]))];
    const together = await Promise.all([run(options), run(other, [4, 5])]);
    assert.deepEqual(together.map(idsOf), alone);
    const sequence = model.sequence();
    sequence.prefill([9, 8, 7]);
    const ids: number[] = [];
    for await (const { id } of model.generate(prompt, options)) {
      ids.push(id);
      if (sequence.length < 64) sequence.decode(sequence.sample({ seed: 1 }));
    }
    assert.deepEqual(ids, alone[0]);
    sequence.dispose();
  });

  it("gives its pages back when the loop is left, by break or by an error", async () => {
    for await (const { id } of model.generate(prompt, { ignoreEos: true })) {
      assert.ok(id >= 0);
      assert.ok(model.freePages < model.pages);
      break;
    }
    assert.equal(model.freePages, model.pages);
    await assert.rejects(async () => {
      for await (const { id } of model.generate(prompt, { ignoreEos: true })) throw new RangeError(`stop at ${id}`);
    }, RangeError);
    const generation = model.generate(prompt, { ignoreEos: true });
    await generation.next();
    await generation.return();
    assert.equal(model.freePages, model.pages);
    assert.deepEqual(await generation.next(), { value: undefined, done: true });
  });

  it("takes nothing before the first token is asked for, and holds nothing after the last", async () => {
    const generation = model.generate(prompt, { maxTokens: 2, ignoreEos: true });
    assert.equal(model.freePages, model.pages);
    await generation.next();
    assert.equal(model.pages - model.freePages, 1);
    assert.equal((await generation.next()).value!.finish, "length");
    assert.equal(model.freePages, model.pages); // the caller has not asked for the end
  });

  it("says that the cache is full, before or in the middle, and gives its pages back", async () => {
    const sequences = [1, 2, 3].map(() => model.sequence());
    for (const sequence of sequences) sequence.prefill(someIds(64, model.config.vocab_size));
    const last = model.sequence();
    last.prefill(someIds(33, model.config.vocab_size));
    await rejectsKvasm(() => run({}, someIds(17, model.config.vocab_size)), "pages", "prompt");
    const got: number[] = [];
    const error = await rejectsKvasm(async () => {
      for await (const { id } of model.generate(someIds(10, model.config.vocab_size), { seed: 1, ignoreEos: true })) got.push(id);
    }, "pages");
    assert.equal(error.value, 1);
    assert.equal(got.length, 7); // 16 tokens in the page, and one that needs no room yet
    assert.equal(model.freePages, 1);
    for (const sequence of [...sequences, last]) sequence.dispose();
  });

  it("says that logits are not finite", async () => {
    await withModel(withBrokenPosition(await checkpointFiles("base"), 12), async (broken) => {
      const got: number[] = [];
      await rejectsKvasm(async () => {
        for await (const { id } of broken.generate(prompt, { seed: 1, ignoreEos: true })) got.push(id);
      }, "non-finite", "logits");
      assert.equal(got.length, 3);
      assert.equal(broken.freePages, broken.pages);
    });
  });

  it("checks everything at the call", () => {
    const refuse = (options: unknown, code: Parameters<typeof throwsKvasm>[1], argument?: string) =>
      throwsKvasm(() => model.generate(prompt, options as GenerateOptions), code, argument);
    for (const value of NOT_IDS) throwsKvasm(() => model.generate(value as number[]), value === "1,2" ? "tokenizer" : "type", "prompt");
    for (const [value, code] of badIds(model.config.vocab_size)) throwsKvasm(() => model.generate(value as number[]), code);
    throwsKvasm(() => model.generate("a text, but there is no tokenizer"), "tokenizer", "prompt");
    throwsKvasm(() => model.generate(someIds(65, 300)), "context", "prompt");
    for (const value of NOT_OPTIONS) refuse(value, "type", "generate options");
    for (const name of ["max_tokens", "maxtokens", "eos", "Seed", "N", ""]) assert.equal(refuse({ [name]: 1 }, "option").argument, name);
    for (const name of ["maxTokens", "keep", "temperature", "seed", "topP"]) {
      for (const value of NOT_NUMBER) refuse({ [name]: value }, "type", name);
    }
    for (const value of [...NOT_INTEGER.filter((value) => value !== Infinity), 0, -1]) refuse({ maxTokens: value }, "value", "maxTokens");
    for (const value of [...NOT_INTEGER, 0, -1, 64, 65]) refuse({ keep: value }, "value", "keep");
    refuse({ temperature: NaN }, "value", "temperature");
    refuse({ logitBias: { 331: 1 } }, "value", "logitBias");
    for (const value of NOT_BOOLEAN) {
      refuse({ ignoreEos: value }, "type", "ignoreEos");
      refuse({ logprobs: value }, "type", "logprobs");
    }
    for (const value of [null, 1, {}, { aborted: false }, new AbortController(), true]) refuse({ signal: value }, "type", "signal");
    for (const value of [null, 1, {}, true]) refuse({ stop: value }, "type", "stop");
    for (const value of [[1], ["a", null]]) refuse({ stop: value }, "type");
    for (const value of ["", [""], "\ud83d", ["a", "\ude00b"]]) refuse({ stop: value }, "value");
    refuse({ stop: "a" }, "tokenizer", "stop");
    assert.equal(model.freePages, model.pages);
  });
});

describe("generate and abort", () => {
  const reason = { why: "enough" };
  const isReason = (error: unknown) => error === reason;

  it("throws the reason before the first token", async () => {
    await withModel("base", async (model) => {
      await assert.rejects(() => collect(model.generate([1], { signal: AbortSignal.abort(reason) })), isReason);
      assert.equal(model.freePages, model.pages);
    });
  });

  it("throws the reason instead of the next token, and gives the pages back", async () => {
    await withModel("base", async (model) => {
      const controller = new AbortController();
      const ids: number[] = [];
      await assert.rejects(async () => {
        for await (const { id } of model.generate([1], { ignoreEos: true, signal: controller.signal })) {
          ids.push(id);
          if (ids.length === 3) controller.abort(reason);
        }
      }, isReason);
      assert.equal(ids.length, 3);
      assert.equal(model.freePages, model.pages);
    });
  });

  it("hears of an abort by a timer, for the event loop turns between tokens", async () => {
    await withModel(withPositions(await checkpointFiles("base"), 2048), async (model) => {
      const controller = new AbortController();
      let turns = 0;
      const timer = setInterval(() => { if (++turns === 2) controller.abort(reason); }, 1);
      let count = 0;
      await assert.rejects(async () => {
        for await (const { id } of model.generate([1], { ignoreEos: true, keep: 1024, signal: controller.signal })) count += id < 0 ? 0 : 1;
      }, isReason);
      clearInterval(timer);
      assert.ok(count > 0);
      assert.equal(model.freePages, model.pages);
    });
  });

  it("hears of an abort between the chunks of a prompt", async () => {
    await withModel(withPositions(await checkpointFiles("base"), 2048), async (model) => {
      const controller = new AbortController();
      const next = model.generate(someIds(2048, model.config.vocab_size), { signal: controller.signal }).next();
      setTimeout(() => controller.abort(reason), 0); // 2048 tokens are at least 32 chunks
      await assert.rejects(() => next, isReason);
      assert.equal(model.freePages, model.pages);
    });
  });

  it("ends with `disposed` when the model is, wherever it was", async () => {
    const files = withPositions(await checkpointFiles("base"), 2048);
    const model = await load(files);
    const [fresh, begun, waiting] = [model.generate([1]), model.generate([1], { ignoreEos: true }), model.generate(someIds(2048, 331))];
    await begun.next();
    const first = waiting.next();
    setTimeout(() => model.dispose(), 0);
    await rejectsKvasm(() => first, "disposed", "model");
    await rejectsKvasm(() => begun.next(), "disposed", "model");
    await rejectsKvasm(() => fresh.next(), "disposed", "model");
    assert.deepEqual(await begun.next(), { value: undefined, done: true });
  });
});

describe("generate, from and to text", () => {
  let model: Model;

  // GPT-2's vocabulary; random weights, so the words are forced by biases.
  before(async () => { model = await load(await checkpointFiles("prefix")); });
  after(() => model.dispose());
  afterEach(() => assert.equal(model.freePages, model.pages, "pages that were not given back"));

  /** Options under which the model writes just these tokens (all different), whatever its logits. */
  function forced(ids: readonly number[]): GenerateOptions {
    assert.equal(new Set(ids).size, ids.length);
    // Each is the largest until it has occurred.
    return { temperature: 0, presencePenalty: 1e6, logitBias: new Map(ids.map((id, i) => [id, 1e6 - 1000 * i])), maxTokens: ids.length };
  }

  const write = (text: string, options: GenerateOptions = {}) => collect(model.generate("The", { ...forced(model.tokenizer!.encode(text)), ...options }));

  it("encodes the prompt, and streams the text of the tokens", async () => {
    const items = await write(" quick brown fox jumps");
    assert.equal(textOf(items), " quick brown fox jumps");
    assert.deepEqual(items.map(({ text }) => text), [" quick", " brown", " fox", " jumps"]);
    assert.deepEqual(idsOf(items), model.tokenizer!.encode(" quick brown fox jumps"));
    const [fromText, fromIds] = ["The lazy dog", model.tokenizer!.encode("The lazy dog")].map((prompt) => collect(model.generate(prompt, { temperature: 0, maxTokens: 4 })));
    assert.deepEqual(await fromText, await fromIds);
  });

  it("never shows a part of a character", async () => {
    const text = "🦊 jumpsé→漢";
    const items = await write(text);
    assert.equal(textOf(items), text);
    assert.ok(items.length > [...text].length - 5 && items.some((item) => item.text === ""), "some characters take several tokens");
    for (const item of items) assert.ok(!item.text.includes("\ufffd"), JSON.stringify(item));
  });

  it("leaves a character out that did not come to its end", async () => {
    const ids = model.tokenizer!.encode(" fox🦊");
    const cut = await collect(model.generate("The", { ...forced(ids), maxTokens: ids.length - 1 }));
    assert.equal(textOf(cut), " fox");
    assert.equal(cut.at(-1)!.finish, "length");
    assert.ok(cut.at(-1)!.text === "" && cut.length === ids.length - 1);
  });

  it("ends before a stop string, also one over several tokens or inside one", async () => {
    const text = " quick brown fox jumps";
    for (const [stop, expected] of [
      [" fox", " quick brown"], ["ick", " qu"], ["wn fo", " quick bro"], [["zebra", "k b"], " quic"], [["jumps", "brown fox"], " quick "],
      [" quick", ""], [["fox jumps", "jump"], " quick brown fox "],
    ] as const) {
      const items = await write(text, { stop });
      assert.equal(textOf(items), expected, String(stop));
      assert.equal(items.at(-1)!.finish, "stop");
    }
  });

  it("holds back what could become a stop string, and shows it when it does not", async () => {
    const items = await write(" quick brown fox jumps", { stop: [" brown cat", "jumps over"] });
    assert.equal(textOf(items), " quick brown fox jumps");
    assert.deepEqual(items.map(({ text }) => text), [" quick", "", " brown fox", " jumps"]);
    assert.equal(items.at(-1)!.finish, "length");
    const undecided = await write(" quick brown", { stop: "brown fox" });
    assert.deepEqual(undecided.map(({ text }) => text), [" quick", " brown"]);
  });

  it("ends with the end-of-text token, of which there is no text unless it is ignored", async () => {
    const { eos_token_id } = model.config;
    const ids = [...model.tokenizer!.encode(" quick"), eos_token_id as number, ...model.tokenizer!.encode(" fox")];
    const items = await collect(model.generate("The", { ...forced(ids), stop: "quicker" }));
    assert.deepEqual(items.map(({ text, finish }) => [text, finish]), [[" ", undefined], ["quick", "eos"]]);
    const ignored = await collect(model.generate("The", { ...forced(ids), ignoreEos: true }));
    assert.equal(textOf(ignored), " quick<|endoftext|> fox");
  });

  it("keeps the streams of two generators apart", async () => {
    const texts = ["🦊 jumps", "漢→é"];
    const [a, b] = await Promise.all(texts.map((text) => write(text)));
    assert.deepEqual([textOf(a), textOf(b)], texts);
  });
});
