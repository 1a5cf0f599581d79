/** convert and `kvasm convert`: files on disk, complete or not at all. */
import { mkdtemp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load } from "../../bindings/index.ts";
import { convert } from "../../bindings/convert/index.ts";
import type { ConvertOptions } from "../../bindings/convert/index.ts";
import { kvasm, root } from "../support/command.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { after, assert, before, describe, it, sameBits } from "../support/harness.ts";
import { someIds } from "../support/models.ts";
import { checkpointFiles } from "../support/reference.ts";

let folder: string;
before(async () => { folder = await mkdtemp(join(tmpdir(), "kvasm-convert-")); });
after(() => rm(folder, { recursive: true, force: true }));

const base = join(root, "tests/fixtures/base");

async function logits(source: string, options = {}): Promise<Float32Array> {
  const model = await load(source, options);
  const result = model.sequence().prefill(someIds(30, model.config.vocab_size), { all: true });
  model.dispose();
  return result;
}

describe("convert", () => {
  it("writes a folder that loads as what it was made of", async () => {
    const out = join(folder, "a", "deep", "q8");
    const seen: string[] = [];
    const { files, notes } = await convert(base, out, { weights: "q8", onWrite: ({ file, written }) => { seen.push(file); assert.ok(written > 0); } });
    assert.deepEqual(files.map(({ path }) => path), [join(out, "model.safetensors"), join(out, "config.json")]);
    assert.deepEqual(notes, []);
    for (const { path, bytes } of files) assert.equal((await readFile(path)).length, bytes);
    assert.deepEqual([...new Set(seen)], ["model.safetensors", "config.json"]);
    assert.deepEqual((await readdir(out)).sort(), ["config.json", "model.safetensors"]);
    sameBits(await logits(out), await logits(base, { weights: "q8" }));
  });

  it("replaces nothing unless it is told to", async () => {
    const out = join(folder, "twice");
    await convert(base, out, { weights: "q8" });
    const error = await rejectsKvasm(() => convert(base, out, { weights: "q4" }), "value", "out");
    assert.ok(error.message.includes(join(out, "model.safetensors")));
    sameBits(await logits(out), await logits(base, { weights: "q8" }), "what was there");
    await convert(base, out, { weights: "q4", force: true });
    sameBits(await logits(out), await logits(base, { weights: "q4" }));
    // Onto itself: what is read stays open until what is written takes its place.
    await convert(out, out, { weights: "f32", force: true });
    assert.deepEqual(await readdir(out).then((names) => names.sort()), ["config.json", "model.safetensors"]);
    await convert(base, join(folder, "twice-q4"), { weights: "q4" });
    sameBits(await logits(out), await logits(join(folder, "twice-q4"), { weights: "f32" }));
    await rm(join(out, "model.safetensors"));
    await rejectsKvasm(() => convert(base, out, { weights: "q4" }), "value", "out"); // config.json alone
  });

  it("leaves nothing behind when it fails", async () => {
    const broken = join(folder, "broken");
    await mkdir(broken);
    const files = await checkpointFiles("base");
    await writeFile(join(broken, "config.json"), files["config.json"]);
    await writeFile(join(broken, "model.safetensors"), files["model.safetensors"].subarray(0, -1000));
    const out = join(folder, "new", "folders");
    await rejectsKvasm(() => convert(broken, out, { weights: "q8" }), "weights");
    const controller = new AbortController();
    const reason = new Error("stop");
    await assert.rejects(convert(base, out, { weights: "f32", signal: controller.signal, onWrite: () => controller.abort(reason) }), (error) => error === reason);
    assert.ok(!(await readdir(folder)).includes("new"));
    await mkdir(join(folder, "mine"));
    await rejectsKvasm(() => convert(broken, join(folder, "mine"), { weights: "q8" }), "weights");
    assert.deepEqual(await readdir(join(folder, "mine")), [], "a folder that was there stays");
  });

  it("says what is wrong with where it should write", async () => {
    const rejects = (out: unknown, options: unknown, code: Parameters<typeof rejectsKvasm>[1], argument: string) =>
      rejectsKvasm(() => convert(base, out as string, options as ConvertOptions), code, argument);
    for (const out of [undefined, null, 1, {}, []]) await rejects(out, { weights: "q8" }, "type", "out");
    await rejects("", { weights: "q8" }, "value", "out");
    await rejects(join(base, "config.json", "x"), { weights: "q8" }, "source", "out");
    await rejects(join(folder, "x.gguf"), { weights: "q8", format: "safetensors" }, "value", "out");
    await rejects(join(folder, "x"), { weights: "q8", format: "onnx" }, "value", "format");
    await rejects(join(folder, "x"), { weights: "q8", force: 1 }, "type", "force");
    await rejects(join(folder, "x.gguf"), { weights: "q8", shardBytes: 1000 }, "option", "shardBytes");
  });

  it("writes GGUF where the name says so, and reads it again", async () => {
    for (const weights of ["f32", "q4"] as const) {
      const out = join(folder, `${weights}.gguf`);
      const { files } = await convert(base, out, { weights });
      assert.deepEqual(files.map(({ path }) => path), [out]);
      // Q4_0 holds what int4 does where rows are multiples of 32, as here.
      sameBits(await logits(out, { weights }), await logits(base, { weights }));
      const back = join(folder, `${weights}-back`);
      await convert(out, back, { weights });
      sameBits(await logits(back), await logits(base, { weights }));
      await rejectsKvasm(() => convert(base, out, { weights }), "value", "out");
    }
  });
});

describe("kvasm convert", () => {
  it("prints the files it wrote; the model then runs by itself", async () => {
    const out = join(folder, "cli");
    const { code, stdout, stderr } = await kvasm(["convert", base, out, "--weights", "q4", "--shard-size", "60KB"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /model-00001-of-0000\d\.safetensors +[\d.]+ KiB\n/);
    const info = JSON.parse((await kvasm(["info", "--model", out, "--cache", "q8", "--json"])).stdout);
    assert.deepEqual([info.weights, info.cache], ["q4", "q8"]);
    const verified = await kvasm(["verify", "--model", out, "--cache", "q8", "--ids", "1,2,3,4,5,6,7"]);
    assert.equal(verified.code, 0);
    assert.match(verified.stdout, /^identical: 7 tokens/m);
    assert.deepEqual(JSON.parse((await kvasm(["info", "--model", out, "--weights", "f32", "--json"])).stdout).weights, "f32");
  });

  it("verifies the model of the package in every type of weights and cache", async () => {
    for (const weights of ["f32", "q8", "q4"]) {
      for (const cache of ["f32", "f16", "q8"]) {
        const { code, stdout } = await kvasm(["verify", "--weights", weights, "--cache", cache, "Once upon a time there was a fox."]);
        assert.equal(code, 0, `${weights}, ${cache}`);
        assert.match(stdout, /^identical: 9 tokens, \d+ ways/m);
      }
    }
  });

  it("exits with 2 and a sentence for what cannot be", async () => {
    const fails = async (args: string[], words: RegExp) => {
      const { code, stdout, stderr } = await kvasm(args);
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.match(stderr, /^kvasm: .+\n$/);
      assert.match(stderr, words);
    };
    await fails(["convert", base, join(folder, "n")], /--weights/);
    await fails(["convert", base, join(folder, "n"), "--weights", "q5"], /q5/);
    await fails(["convert", base, "--weights", "q8"], /out/);
    await fails(["convert", join(folder, "nowhere"), join(folder, "n"), "--weights", "q8"], /nowhere/);
    await fails(["convert", base, join(folder, "n"), "--weights", "q8", "--shard-size", "big"], /shard-size/);
    await fails(["convert", base, base, "--weights", "q8"], /is there already/);
    await fails(["generate", "--weights", "q2"], /q2/);
    await fails(["verify", "--cache", "q4"], /q4/);
  });
});
