/** What the benchmark counts and how it compares; never how fast anything is. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load } from "../../bindings/index.ts";
import { runBench } from "../../bindings/bench/bench.ts";
import type { BenchOptions } from "../../bindings/bench/bench.ts";
import { figuresMarkdown } from "../../bench/figures.ts";
import type { PeerResult } from "../../bench/peers/beside.ts";
import { interleave, median } from "../../bindings/bench/measure.ts";
import { ModuleModel } from "../../bench/module.ts";
import { benchReport } from "../../bindings/bench/report.ts";
import { Region } from "../../bindings/wasm/exports.ts";
import { writeGguf } from "../../bench/peers/gguf.ts";
import { blocks, int8 } from "../../bench/peers/onnx-integers.ts";
import { outputRows } from "../../bench/peers/outputs.ts";
import { wordOf } from "../../bench/peers/words.ts";
import { elements, fillRandom, randomIds, randomModel, randomSafetensors, randomTensors } from "../../bindings/bench/random-model.ts";
import { SHAPES, decodeBytes, decodeWeights, matrixParameters, parameters, prefillOperations } from "../../bindings/bench/shapes.ts";
import type { Shape } from "../../bindings/bench/shapes.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { repositoryFile } from "../support/files.ts";
import { assert, describe, it, sameBits } from "../support/harness.ts";

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
}

describe("what the benchmark counts", () => {
  it("has the published sizes", () => {
    assert.deepEqual([SHAPES.distil, SHAPES["124M"], SHAPES.medium, SHAPES.large, SHAPES.xl].map(parameters), [81_912_576, 124_439_808, 354_823_168, 774_030_080, 1_557_611_200]);
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
    assert.equal(prefillOperations(shape, 37), operations);
  });
});

describe("what the benchmark counts of integers", () => {
  // Inputs and outputs of every matrix, one by one.
  function matrices({ n_layer, n_embd: C, n_inner: F, vocab_size }: Shape): [number, number][] {
    const layer: [number, number][] = [[C, 3 * C], [C, C], [C, F], [F, C]];
    return [...Array.from({ length: n_layer }, () => layer).flat(), [C, vocab_size]];
  }
  const shape = { ...SHAPES.tiny, n_embd: 40, n_inner: 72 }; // groups of 32 that are not whole

  it("has every weight, scale, key and value once", () => {
    let q8 = 0;
    let q4 = 0;
    let weights = 0;
    for (const [inputs, outputs] of matrices(shape)) {
      weights += inputs * outputs;
      for (let output = 0; output < outputs; output++) {
        q8 += 4 + inputs;
        q4 += inputs / 2;
        for (let group = 0; group < inputs; group += 32) q4 += 4;
      }
    }
    assert.equal(decodeWeights(shape), weights);
    const floats = 4 * (parameters(shape) - weights - (shape.n_positions - 1) * shape.n_embd);
    const keysAndValues = 2 * shape.n_layer * 37;
    assert.equal(decodeBytes(shape, 37, "q8"), floats + q8 + keysAndValues * 4 * shape.n_embd);
    assert.equal(decodeBytes(shape, 37, "q8", "f16"), floats + q8 + keysAndValues * 2 * shape.n_embd);
    assert.equal(decodeBytes(shape, 37, "q4", "q8"), floats + q4 + keysAndValues * (shape.n_embd + 4 * shape.n_head));
  });

  it("is what the module lays out, but for padding", async () => {
    const whole = { ...SHAPES.tiny, vocab_size: 512 }; // nothing to pad
    const module = await WebAssembly.compile(await repositoryFile("dist/kvasm.wasm"));
    const context = 64;
    for (const weights of ["f32", "q8", "q4"] as const) {
      for (const cache of ["f32", "f16", "q8"] as const) {
        const { exports, address } = new ModuleModel(module, whole, context, 1, weights, cache);
        const held = (exports.regionBytes(address, Region.weights) >>> 0) + (exports.regionBytes(address, Region.pages) >>> 0);
        assert.equal(held - 4 * (whole.n_positions - 1) * whole.n_embd, decodeBytes(whole, context, weights, cache), `${weights}, ${cache}`);
      }
    }
  });
});

describe("the benchmark of integers", () => {
  const wasm = async () => ({ rooflineWasm: await repositoryFile("dist/roofline.wasm"), wasm: await repositoryFile("dist/kvasm.wasm") });

  it("holds what was asked for, and compares with its own kind of limit", async () => {
    const result = await runBench({ shape: "tiny", weights: "q4", cache: "q8", beside: "f32", contexts: [20], prompts: [16], repetitions: 2, ...await wasm() });
    const { weights, cache, beside } = result.inputs;
    assert.deepEqual([weights, cache, beside], ["q4", "q8", "f32"]);
    const [decode] = result.decode;
    const [prefill] = result.prefill;
    assert.equal(prefill!.limit, "int16 dot");
    const mean = (decodeBytes(SHAPES.tiny, 22, "q4", "q8") + decodeBytes(SHAPES.tiny, 23, "q4", "q8")) / 2; // of 21 … 24
    assert.equal(decode!.bytesPerToken, mean);
    // How fast either was is not a test's business: repetitions are set aside one by one.
    for (const { beside: other } of [decode!, prefill!]) assert.ok(other!.ratio.min > 0 && other!.ratio.min <= other!.ratio.median && other!.ratio.median <= other!.ratio.max);
    assert.match(benchReport(result), /parameters in q4, cache in q8[^]* q4 \/ f32[^]*G multiply-adds\/s/);
  });

  it("becomes a row of the table of figures", async () => {
    const options = { shape: "tiny", contexts: [20], prompts: [16], repetitions: 1, ...await wasm() } as const;
    const own = [await runBench(options), await runBench({ ...options, weights: "q8", cache: "f16", beside: "f32" })];
    const spread = { median: 2, min: 1, max: 3, repetitions: 3 };
    const disturbance = { othersCores: null, setAside: 0 };
    const peer: PeerResult = {
      system: own[0]!.system, peer: { name: "other", version: "1.2", settings: "native" },
      inputs: { shape: "tiny", weights: "q8", cache: "f32", seed: 1, repetitions: 3, decodeTokens: 8 }, check: null,
      results: [{ measure: "decode", tokens: 900, kvasm: spread, peer: { ...spread, median: 40 }, ratio: { ...spread, median: 0.05 }, disturbance }],
    };
    const elsewhere: PeerResult = { ...peer, system: { ...peer.system, runtime: "Netscape", version: "4.0" } };
    const lines = figuresMarkdown({ own, peers: [peer, elsewhere], firstToken: { milliseconds: spread, parts: { "start of Node": spread } } }).split("\n");
    const columns = lines.filter((line) => line.startsWith("|")).map((line) => line.split("|").length);
    assert.equal(lines.find((line) => line.startsWith("| weights"))!.split("|").length, lines.find((line) => line.startsWith("| q8 | f16 |"))!.split("|").length);
    assert.equal(columns.length, 4 + 3 + 4 + 4);
    assert.ok(lines.includes("| other 1.2 (native) | q8, f32 | 2.0, 40, **0.05 ×** |"));
    assert.ok(lines.includes("| other 1.2 (native) | q8, f32, in Netscape 4.0 | 2.0, 40, **0.05 ×** |"));
    assert.ok(lines.some((line) => /^\| q8 \/ f32, cache f16 \| decode at 20 [\d.]+ ×, prefill of 16 [\d.]+ × \|$/.test(line)));
    assert.ok(lines.includes("| first token | 2.0 |"));
  });

  it("leaves the other model out when none is asked for", async () => {
    const result = await runBench({ shape: "tiny", contexts: [20], prompts: [], repetitions: 1, ...await wasm() });
    assert.equal(result.inputs.beside, null);
    assert.equal(result.decode[0]!.beside, undefined);
    assert.match(benchReport(result), /parameters in f32/);
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

  it("is so with integer weights and an integer cache", async () => {
    const ids = randomIds(21, SHAPES.tiny.vocab_size);
    const module = await WebAssembly.compile(await repositoryFile("dist/kvasm.wasm"));
    const bits: Uint32Array[] = [];
    for (const weights of ["q8", "q4"] as const) {
      const model = await load(randomModel(SHAPES.tiny, 3), { contextLength: 64, weights, cache: "q8" });
      const bare = new ModuleModel(module, SHAPES.tiny, 64, 3, weights, "q8");
      bare.append(ids);
      sameBits(bare.logits().slice(), model.sequence().prefill(ids), weights);
      bits.push(new Uint32Array(bare.logits().slice().buffer));
      model.dispose();
    }
    assert.notDeepEqual(bits[0], bits[1]);
  });
});

describe("the peers' integers", () => {
  const tensor = randomTensors(SHAPES.tiny).find(({ name }) => name === "h.0.attn.c_attn.weight")!;
  const rows = outputRows(tensor, 1);

  it("come from rows of outputs", () => {
    const stored = new Float32Array(elements(tensor.shape));
    fillRandom(stored, 1, tensor);
    assert.deepEqual([rows.outputs, rows.inputs], [192, 64]);
    for (const [output, input] of [[0, 0], [191, 63], [5, 17]] as const) assert.equal(rows.values[output * 64 + input], stored[input * 192 + output]);
    const embedding = outputRows(randomTensors(SHAPES.tiny)[0]!, 1);
    assert.deepEqual([embedding.outputs, embedding.inputs], [500, 64]);
  });

  it("stand for the weights to half a step", () => {
    for (const kind of ["output", "tensor"] as const) {
      const { integers, scales } = int8(rows, kind);
      for (let output = 0; output < rows.outputs; output++) {
        const scale = scales[kind === "output" ? output : 0]!;
        for (let k = 0; k < rows.inputs; k++) {
          assert.ok(Math.abs(integers[k * rows.outputs + output]! * scale - rows.values[output * rows.inputs + k]!) <= 0.5001 * scale);
        }
      }
    }
    for (const bits of [4, 8] as const) {
      const { integers, scales } = blocks(rows, bits);
      let worst = 0;
      rows.values.forEach((value, index) => {
        const integer = bits === 8 ? integers[index]! - 128 : ((integers[index >> 1]! >> 4 * (index & 1)) & 15) - 8;
        worst = Math.max(worst, Math.abs(integer * scales[index >> 5]! - value) / Math.abs(scales[index >> 5]!));
      });
      // Of 4 bits the largest of a block is −8 steps, and +8 steps, which there may be, become +7.
      assert.ok(bits === 8 ? worst <= 0.5001 : worst > 0.9 && worst <= 1.0001, `${bits} bits: ${worst}`);
    }
  });
});

describe("the peers' GGUF files", () => {
  it("have words that are told apart again as llama.cpp does, a space and letters being one piece", () => {
    const ids = [0, 25, 26, 701, 702, 18_277, 18_278, 50_256, 0];
    assert.equal(new Set(Array.from({ length: 50_257 }, (_, id) => wordOf(id))).size, 50_257);
    assert.deepEqual(ids.map(wordOf).join("").match(/[^\r\n\p{L}\p{N}]?\p{L}+|\s+/gu), ids.map(wordOf));
  });

  it("hold the model of random weights, with and without words", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kvasm-bench-"));
    try {
      const ids = randomIds(5, SHAPES.tiny.vocab_size);
      const logits = async (source: Parameters<typeof load>[0]) => {
        const model = await load(source, { contextLength: 16 });
        try {
          return model.sequence().prefill(ids);
        } finally {
          model.dispose();
        }
      };
      const whole = await logits(randomModel(SHAPES.tiny, 3));
      for (const vocabulary of ["none", "words"] as const) {
        writeGguf(join(folder, "model.gguf"), SHAPES.tiny, 3, "f32", vocabulary);
        sameBits(await logits(join(folder, "model.gguf")), whole);
      }
      writeGguf(join(folder, "model.gguf"), SHAPES.tiny, 4, "f32", "words");
      assert.notDeepEqual(await logits(join(folder, "model.gguf")), whole);
      assert.throws(() => writeGguf(join(folder, "none", "model.gguf"), SHAPES.tiny, 3, "f32"), /ENOENT|no such/i);
    } finally {
      await rm(folder, { recursive: true });
    }
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
    const { reference: spread, rates, shares, ratios, disturbance } = await interleave(
      2, () => null, () => { order.push("reference"); return reference(); }, () => { order.push("contestant"); return contestant(); },
    );
    assert.deepEqual(order, ["reference", "contestant", "reference", "contestant", "reference"]);
    assert.deepEqual([spread.min, spread.max, spread.repetitions], [20, 20, 2]);
    assert.deepEqual([rates[0]!.min, rates[0]!.max, rates[0]!.median], [5, 10, 7.5]);
    assert.deepEqual([shares[0]!.min, shares[0]!.max], [0.25, 0.5]);
    assert.deepEqual(ratios, []);
    assert.deepEqual(disturbance, { othersCores: null, setAside: 0 });
  });

  it("compares contestants turn by turn", async () => {
    const { ratios } = await interleave(3, () => null, () => 1, series(8, 2, 6), series(2, 1, 1), series(16, 2, 3));
    assert.deepEqual(ratios.map(({ min, median, max }) => [min, median, max]), [[2, 4, 6], [0.5, 1, 2]]);
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
    [{ weights: "q5" as "q4" }, "value", "weights"],
    [{ cache: "q4" as "q8" }, "value", "cache"],
    [{ beside: 8 as unknown as "q8" }, "type", "beside"],
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
