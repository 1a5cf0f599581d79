import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { load } from "../../bindings/index.ts";
import { KvasmError } from "../../bindings/errors.ts";
import { readText } from "../../bindings/files/bytes.ts";
import { parseConfig } from "../support/config.ts";
import { openWeights } from "../../bindings/weights/reader.ts";
import { resolveSource } from "../../bindings/model/source.ts";
import { RecordingSink, TINY, safetensors, tinyEntries, tinyModel } from "../support/checkpoint.ts";
import { fixture, fixtureUrl } from "../support/files.ts";
import { after, assert, before, describe, it } from "../support/harness.ts";

const tiny = parseConfig(JSON.stringify(TINY));
const good = safetensors(tinyEntries());
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvasm source ü "));
  for (const [name, bytes] of Object.entries(tinyModel())) await writeFile(join(folder, name), bytes as Uint8Array);
  await writeFile(join(folder, "other.safetensors"), good);
  await mkdir(join(folder, "packed"));
  await writeFile(join(folder, "packed", "model.safetensors.gz"), gzipSync(good));
  await mkdir(join(folder, "odd", "model.safetensors"), { recursive: true });
  await mkdir(join(folder, "cut"));
  await writeFile(join(folder, "cut", "model.safetensors"), good.subarray(0, good.length - 10));
});

after(() => rm(folder, { recursive: true, force: true }));

async function readWeights(source: string | URL) {
  const files = await resolveSource(source);
  const sink = new RecordingSink();
  await (await openWeights(files, tiny)).stream(sink);
  return sink.tensors;
}

async function refuses(promise: Promise<unknown>, code: string, ...words: string[]): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(KvasmError.is(error), `not a KvasmError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.ok(error.message.includes(word), `${JSON.stringify(word)} in: ${error.message}`);
    return true;
  });
}

describe("a path", () => {
  it("names the folder or the file, absolute or relative, as text or as a URL", async () => {
    const whole = await readWeights(folder);
    assert.equal(whole.size, 28);
    const near = relative(process.cwd(), folder);
    const relatively = near.startsWith("..") ? near : `.${sep}${near}`;
    const url = pathToFileURL(folder);
    const forms: (string | URL)[] = [
      folder + "/", folder + "///", relatively, `${relatively}/`, join(folder, "model.safetensors"), join(folder, "other.safetensors"), join(relatively, "other.safetensors"),
      url, new URL(url.href + "/"), url.href, url.href + "/model.safetensors", new URL(url.href + "/other.safetensors"), join(folder, "packed"), join(folder, "packed", "model.safetensors.gz"),
    ];
    for (const form of forms) assert.deepEqual(await readWeights(form), whole, String(form));
  });

  it("of a weights file has the other files beside it", async () => {
    const files = await resolveSource(join(folder, "other.safetensors"));
    assert.equal(parseConfig((await readText(files, "config.json", 1e5))!).n_embd, 6);
    assert.equal(await files.open("tokenizer.json"), null);
  });

  it("is read through, chunk by chunk, with its size", async () => {
    const bytes = await fixture("prefix/model.safetensors"); // several chunks
    const file = (await (await resolveSource(fixtureUrl("prefix/"))).open("model.safetensors"))!;
    assert.equal(file.size, bytes.length);
    let at = 0;
    let equal = true;
    for (const reader = file.stream.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (let i = 0; i < value.length; i++) equal &&= value[i] === bytes[at + i];
      at += value.length;
    }
    assert.equal(at, bytes.length);
    assert.ok(equal);
  });

  it("is let go when it is cancelled, before and after a read", async () => {
    for (const reads of [0, 1]) {
      const file = (await (await resolveSource(folder)).open("model.safetensors"))!;
      const reader = file.stream.getReader();
      for (let i = 0; i < reads; i++) await reader.read();
      await reader.cancel();
      assert.equal((await reader.read()).done, true);
    }
  });
});

describe("a path that cannot be read", () => {
  it("says that there is no such folder or file", async () => {
    await refuses(resolveSource(join(folder, "absent")), "source", "absent", "no such folder");
    await refuses(resolveSource(join(folder, "absent.safetensors")), "source", "absent.safetensors", "no such file");
    await refuses(resolveSource(pathToFileURL(join(folder, "absent"))), "source", "no such folder");
    await refuses(resolveSource("./no/such/folder"), "source", "./no/such/folder");
  });

  it("says that it is not a folder, or not a file", async () => {
    await refuses(resolveSource(join(folder, "config.json")), "source", "not a folder", ".gguf file itself");
    await refuses(readWeights(join(folder, "odd")), "source", "is a folder");
    await refuses(readWeights(join(folder, "odd", "model.safetensors")), "source", "is a folder");
  });

  it("says which files are missing in it", async () => {
    await refuses(readWeights(join(folder, "packed", "..", "odd", "..", "packed", "..", "..")), "source", "model.safetensors: not found");
  });

  it("names the file that could be meant where a folder has no weights by the usual name", async () => {
    const at = async (name: string, ...names: string[]): Promise<string> => {
      const path = join(folder, name);
      await mkdir(path);
      for (const one of names) await writeFile(join(path, one), one === "config.json" ? JSON.stringify(TINY) : good);
      return path;
    };
    const only = await at("only gguf", "tiny q4.gguf", "README.md");
    for (const path of [only, only + "/"]) await refuses(load(path), "source", "config.json: not found", "tiny q4.gguf", JSON.stringify(join(only, "tiny q4.gguf")));
    await refuses(load(pathToFileURL(only)), "source", `${pathToFileURL(only).href}/tiny%20q4.gguf`);
    await refuses(load(await at("ggufs", "config.json", "b.gguf", "a.GGUF", "other.safetensors")), "source", "model.safetensors: not found", "a.GGUF, b.gguf, other.safetensors", "a.GGUF");
    await refuses(load(await at("named", "config.json", "other.safetensors")), "source", "model.safetensors: not found", join("named", "other.safetensors"));
    const shards = load(await at("shards", "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"));
    await assert.rejects(shards, (error) => KvasmError.is(error) && error.argument === "model.safetensors" && !error.message.includes("-of-"));
    await assert.rejects(load(await at("unconfigured", "model.safetensors")), (error) => KvasmError.is(error) && error.argument === "config.json" && !error.message.includes("has model"));
  });

  it("of one shard of several says to pass the folder", async () => {
    const path = join(folder, "sharded");
    await mkdir(path);
    const parts = { "model-00001-of-00002.safetensors": tinyEntries().slice(0, 9), "rest.safetensors": tinyEntries().slice(9) };
    const places = Object.entries(parts).flatMap(([file, entries]) => entries.map(({ name }) => [name, file]));
    await writeFile(join(path, "config.json"), JSON.stringify(TINY));
    await writeFile(join(path, "model.safetensors.index.json"), JSON.stringify({ weight_map: Object.fromEntries(places) }));
    for (const [name, entries] of Object.entries(parts)) await writeFile(join(path, name), safetensors(entries));
    assert.equal((await readWeights(path)).size, 28);
    const names = [...Object.keys(parts), "model.fp16-00002-of-00003.safetensors", "model-00001-of-00002.safetensors.gz"];
    for (const name of names) {
      await writeFile(join(path, name), name.endsWith(".gz") ? gzipSync(safetensors(parts["rest.safetensors"])) : safetensors(parts["rest.safetensors"]));
      for (const source of [join(path, name), pathToFileURL(join(path, name))]) {
        await refuses(load(source), "source", "source: ", name, "Pass the folder", "model.safetensors.index.json");
      }
    }
    for (const whole of ["model-00001-of-00001.safetensors", "epoch-1-of-3.safetensors"]) { // the only one, and a name that means something else
      await writeFile(join(path, whole), good);
      assert.equal((await readWeights(join(path, whole))).size, 28);
    }
  });

  it("says that the file is cut off", async () => {
    await refuses(readWeights(join(folder, "cut")), "weights", "model.safetensors", "cut off");
  });

  it("says that compressed weights are damaged, wherever", async () => {
    const packed = gzipSync(good);
    const bent = packed.map((byte, i) => (i === packed.length >> 1 ? byte ^ 0x55 : byte));
    const wrongSum = packed.map((byte, i) => (i === packed.length - 6 ? byte ^ 1 : byte));
    for (const bytes of [packed.subarray(0, 1), packed.subarray(0, 9), packed.subarray(0, packed.length >> 1), packed.subarray(0, -1), bent, wrongSum, good]) {
      await writeFile(join(folder, "bad.safetensors.gz"), bytes);
      await refuses(readWeights(join(folder, "bad.safetensors.gz")), "source", "model.safetensors", "broke off");
    }
    for (const [text, word] of [["version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"], ["<!DOCTYPE html>", "web page"], ["PK\u0003\u0004", "zip"], ['{"error":"Entry not found"}', "Entry not found"]]) {
      await writeFile(join(folder, "bad.safetensors.gz"), text);
      await refuses(readWeights(join(folder, "bad.safetensors.gz")), "weights", "model.safetensors.gz: is not compressed", word);
    }
    await writeFile(join(folder, "bad.safetensors.gz"), new Uint8Array(0));
    await assert.rejects(readWeights(join(folder, "bad.safetensors.gz")), (error) => KvasmError.is(error));
  });

  it("stops in the middle of compressed weights when the signal aborts, or the sink throws", async () => {
    const reason = new Error("enough");
    for (const way of ["signal", "sink"]) {
      const controller = new AbortController();
      const reader = await openWeights(await resolveSource(join(folder, "packed")), tiny, { signal: controller.signal });
      const reading = reader.stream({ write() {
        if (way === "sink") throw reason;
        controller.abort(reason);
      } });
      await assert.rejects(reading, (error) => error === reason);
    }
  });

  it("is no path with a null character, and no URL of another machine", async () => {
    await refuses(resolveSource("./a\u0000b"), "source");
    await refuses(resolveSource("file://elsewhere.invalid/model/"), "source");
  });
});
