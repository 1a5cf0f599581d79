/** What the benchmark counts and how it compares; never how fast anything is. */
import { load } from "../../bindings/index.ts";
import { runBench } from "../../bench/bench.ts";
import type { BenchOptions } from "../../bench/bench.ts";
import { interleave, median } from "../../bench/measure.ts";
import { ModuleModel } from "../../bench/module.ts";
import { elements, fillRandom, randomIds, randomModel, randomSafetensors, randomTensors } from "../../bench/random-model.ts";
import { SHAPES, decodeBytes, matrixParameters, parameters, prefillFlops } from "../../bench/shapes.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { repositoryFile } from "../support/files.ts";
import { assert, describe, it, sameBits } from "../support/harness.ts";

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
}

describe("what the benchmark counts", () => {
  it("has the published sizes", () => {
    assert.deepEqual([SHAPES.distil, SHAPES["124M"], SHAPES.medium, SHAPES.large].map(parameters), [81_912_576, 124_439_808, 354_823_168, 774_030_080]);
    assert.equal(matrixParameters(SHAPES["124M"]), 84_934_656);
  });

  it("counts the numbers of the checkpoint it makes", () => {
    for (const shape of Object.values(SHAPES)) {
      assert.equal(randomTensors(shape).reduce((sum, tensor) => sum + elements(tensor.shape), 0), parameters(shape));
    }
  });

  it("counts a step's bytes and a prefill's operations as one who goes through them", () => {
    const shape = SHAPES.tiny;
    const { n_layer, n_embd, n_positions, vocab_size } = shape;
    const cache = n_layer * 2 * n_embd * 37;
    assert.equal(decodeBytes(shape, 37), 4 * (parameters(shape) - n_positions * n_embd + n_embd + cache));
    let operations = 2 * n_embd * vocab_size;
    for (let position = 0; position < 37; position++) {
      operations += 2 * matrixParameters(shape);
      for (let layer = 0; layer < n_layer; layer++) operations += 2 * n_embd * (position + 1) + 2 * (position + 1) * n_embd;
    }
    assert.equal(prefillFlops(shape, 37), operations);
  });
});

describe("the model of random weights", () => {
  it("is the same for the same seed only, and any part of a tensor is the part of the whole", async () => {
    const one = await bytesOf(randomSafetensors(SHAPES.tiny, 1));
    assert.deepEqual(one, await bytesOf(randomSafetensors(SHAPES.tiny, 1)));
    assert.notDeepEqual(one, await bytesOf(randomSafetensors(SHAPES.tiny, 2)));
    const tensor = randomTensors(SHAPES.tiny)[4]!;
    const whole = new Float32Array(elements(tensor.shape));
    fillRandom(whole, 1, tensor);
    const part = new Float32Array(100);
    fillRandom(part, 1, tensor, 1000);
    sameBits(part, whole.slice(1000, 1100), "part of a tensor");
    assert.ok(Math.max(...whole.map(Math.abs)) <= tensor.spread);
  });

  it("is the same through load and in the bare module", async () => {
    const ids = randomIds(21, SHAPES.tiny.vocab_size);
    const model = await load(randomModel(SHAPES.tiny, 3), { contextLength: 64 });
    const bare = new ModuleModel(await WebAssembly.compile(await repositoryFile("dist/kvasm.wasm")), SHAPES.tiny, 64, 3);
    bare.append(ids);
    const logits = model.sequence().prefill(ids);
    sameBits(bare.logits().slice(), logits, "logits");
    bare.truncate(20);
    bare.appendTimed(ids.slice(20));
    sameBits(bare.logits().slice(), logits, "logits of a step in parts");
    model.dispose();
  });
});

describe("interleaving", () => {
  const series = (...values: number[]) => () => values.shift()!;
  /** As long as a repetition has to be for the load of others to be told in clock ticks of 10 ms. */
  const wait = () => new Promise((resolve) => setTimeout(resolve, 500));

  it("takes turns, and compares with the references before and after", async () => {
    const order: string[] = [];
    const reference = series(10, 30, 10);
    const contestant = series(10, 5);
    const { reference: spread, rates, shares, disturbance } = await interleave(
      2, () => null, () => { order.push("reference"); return reference(); }, () => { order.push("contestant"); return contestant(); },
    );
    assert.deepEqual(order, ["reference", "contestant", "reference", "contestant", "reference"]);
    assert.deepEqual([spread.min, spread.max, spread.repetitions], [20, 20, 2]);
    assert.deepEqual([rates[0]!.min, rates[0]!.max, rates[0]!.median], [5, 10, 7.5]);
    assert.deepEqual([shares[0]!.min, shares[0]!.max], [0.25, 0.5]);
    assert.deepEqual(disturbance, { othersCores: null, setAside: 0 });
  });

  it("sets aside what other programs disturbed, however fast it was", async () => {
    const others = series(0, 1.5, 0, 0.01);
    const contestant = series(99, 2, 4);
    const { rates, disturbance } = await interleave(2, others, () => 1, async () => { await wait(); return contestant(); });
    assert.deepEqual([rates[0]!.min, rates[0]!.max], [2, 4]);
    assert.equal(disturbance.setAside, 1);
  });

  it("takes the least disturbed where nothing is quiet", async () => {
    const others = series(0, 1.5, 1.9, 1.2);
    const contestant = series(3, 1, 2);
    const { rates, disturbance } = await interleave(1, others, () => 1, async () => { await wait(); return contestant(); });
    assert.equal(rates[0]!.median, 2);
    assert.deepEqual(disturbance, { othersCores: 1.2, setAside: 2 });
  });

  it("has a median of even and odd numbers of values", () => {
    assert.deepEqual([median([3, 1, 2]), median([4, 1, 3, 2])], [2, 2.5]);
  });
});

describe("options of the benchmark", () => {
  const refused: [BenchOptions, Parameters<typeof rejectsKvasm>[1], string][] = [
    [{ shape: "huge" as "tiny" }, "value", "shape"],
    [{ repetitions: 0 }, "value", "repetitions"],
    [{ repetitions: "many" as unknown as number }, "type", "repetitions"],
    [{ contexts: [1024] }, "value", "contexts"],
    [{ prompts: [0] }, "value", "prompts"],
    [{ contexts: [], prompts: [] }, "value", "contexts"],
    [{ seed: -1 }, "value", "seed"],
    [{ repetition: 3 } as BenchOptions, "option", "repetition"],
  ];
  for (const [options, code, argument] of refused) {
    it(`refuses ${JSON.stringify(options)}`, async () => { await rejectsKvasm(() => runBench(options), code, argument); });
  }

  it("stops when its signal says so", async () => {
    const reason = new Error("enough");
    await assert.rejects(runBench({ shape: "tiny", signal: AbortSignal.abort(reason) }), (error: unknown) => error === reason);
  });
});
