import { mkdtemp, readFile, readdir, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { models, pull, verify } from "../../bindings/entries/hub.ts";
import { load } from "../../bindings/index.ts";
import type { LoadOptions, Progress } from "../../bindings/index.ts";
import { runtime } from "../support/command.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { fixture, fixtureUrl } from "../support/files.ts";
import { after, assert, before, beforeEach, describe, it, sameBits } from "../support/harness.ts";
import { baseRepository, quickly, shardedRepository } from "../support/hub-models.ts";
import { Hub, gitHash, sha256 } from "../support/hub.ts";

const PROMPT = [5, 9, 2, 7];
let hub: Hub;
let root: string;
let cacheDir: string;
let files: Record<string, Uint8Array>;
let commit: string;
let expected: Float32Array;

before(async () => {
  hub = await Hub.start();
  root = await mkdtemp(join(tmpdir(), "kvasm-hub-"));
  files = await baseRepository();
  commit = hub.commit("tiny/base", files);
  const model = await load(fixtureUrl("base/"));
  expected = model.sequence().prefill(PROMPT);
  model.dispose();
});

after(async () => {
  await hub.close();
  await rm(root, { recursive: true, force: true });
});

let caches = 0;
beforeEach(() => {
  hub.forget();
  hub.misbehave = undefined;
  cacheDir = join(root, `cache-${++caches}`);
});

const options = (more: LoadOptions = {}): LoadOptions => quickly({ endpoint: hub.endpoint, cacheDir, token: false as const, ...more });

async function loads(id: string, more: LoadOptions = {}): Promise<Float32Array> {
  const model = await load(id, options(more));
  try {
    return model.sequence().prefill(PROMPT);
  } finally {
    model.dispose();
  }
}

describe("a model by its name", () => {
  it("has the bits of its files, and lies in Hugging Face's cache as their tools write it", async () => {
    sameBits(await loads("tiny/base"), expected);
    const folder = join(cacheDir, "models--tiny--base");
    assert.equal(await readFile(join(folder, "refs/main"), "utf8"), commit);
    assert.deepEqual((await readdir(join(folder, "snapshots", commit))).sort(), ["config.json", "generation_config.json", "model.safetensors"]);
    assert.deepEqual((await readdir(join(folder, "blobs"))).sort(), [sha256(files["model.safetensors"]), gitHash(files["config.json"]), gitHash(files["generation_config.json"])].sort());
    // Deno makes such links only for those with every permission; then it is one file by two names.
    const [config, blob] = [join(folder, "snapshots", commit, "config.json"), `../../blobs/${gitHash(files["config.json"])}`];
    if (runtime === "deno") assert.equal((await stat(config)).ino, (await stat(join(config, "..", blob))).ino);
    else assert.equal(await readlink(config), blob);
    assert.deepEqual(Uint8Array.from(await readFile(join(folder, "snapshots", commit, "model.safetensors"))), files["model.safetensors"]);
    const tree = JSON.parse(await readFile(join(folder, "trees", `${commit}.json`), "utf8"));
    assert.equal(tree.format_version, 1);
    assert.equal(tree.files["model.safetensors"].lfs_sha256, sha256(files["model.safetensors"]));
    assert.match(await readFile(join(cacheDir, "CACHEDIR.TAG"), "utf8"), /^Signature: 8a477f597d28d172789f06886806bc55\n/);
    assert.deepEqual(await readdir(join(cacheDir, ".locks/models--tiny--base")), []);
  });

  it("comes in ranges, several at a time, from where the hub sends us, and the token goes to the hub alone", async () => {
    hub.commit("tiny/private", files, { token: "hf_secret" });
    sameBits(await loads("tiny/private", { token: "hf_secret" }), expected);
    const storage = hub.requests.filter(({ server }) => server === "storage");
    assert.equal(storage.length, Math.ceil(files["model.safetensors"].length / 65536));
    assert.ok(storage.every(({ headers }) => /^bytes=\d+-\d+$/.test(headers.range ?? "") && headers.authorization === undefined));
    assert.ok(hub.requests.filter(({ server }) => server === "hub").every(({ headers }) => headers.authorization === "Bearer hf_secret"));
  });

  it("is asked for by its revision only when it is here, and by its commit not at all", async () => {
    await loads("tiny/base");
    hub.forget();
    sameBits(await loads("tiny/base"), expected);
    assert.deepEqual(hub.requests.map(({ path }) => path.split("?")[0]), ["/api/models/tiny/base/revision/main"]);
    hub.forget();
    sameBits(await loads("tiny/base", { revision: commit }), expected);
    sameBits(await loads(`tiny/base@${commit}`), expected);
    sameBits(await loads("tiny/base", { offline: true }), expected);
    assert.deepEqual(hub.requests, []);
  });

  it("comes in shards, by a branch, from a name that has moved, and from a listing of many pages", async () => {
    hub.pageLength = 2;
    hub.commit("tiny/shards", await shardedRepository(), { branch: "refs/pr/1" });
    hub.commit("shards", {}, { movedTo: "tiny/shards" });
    sameBits(await loads("shards", { revision: "refs/pr/1" }), expected);
    hub.pageLength = 1000;
    assert.equal((await readdir(join(cacheDir, "models--shards/refs/refs/pr"))).length, 1);
  });

  it("shares what did not change with the next commit, and takes up only what did", async () => {
    const changed = { ...files, "generation_config.json": new TextEncoder().encode('{ "eos_token_id": 7 }') };
    await loads("tiny/base");
    hub.forget();
    const next = hub.commit("tiny/base", changed);
    const model = await load("tiny/base", options());
    assert.equal(model.config.eos_token_id, 7);
    model.dispose();
    assert.equal(hub.requests.filter(({ server }) => server === "storage").length, 0);
    assert.equal((await readdir(join(cacheDir, "models--tiny--base/snapshots"))).length, 2);
    assert.notEqual(next, commit);
    hub.commit("tiny/base", files);
  });

  it("tells how far it is: bytes, files, rate and time", async () => {
    const seen: Progress[] = [];
    await loads("tiny/base", { onProgress: (progress) => seen.push(progress) });
    const downloads = seen.filter(({ download }) => download !== undefined);
    const last = downloads.at(-1)!;
    const bytes = ["config.json", "generation_config.json", "model.safetensors"].reduce((sum, name) => sum + files[name].length, 0);
    assert.deepEqual([last.loaded, last.total, last.download!.files, last.download!.filesDone], [bytes, bytes, 3, 3]);
    assert.ok(downloads.every(({ loaded }, i) => i === 0 || loaded >= downloads[i - 1].loaded));
    assert.ok(last.download!.bytesPerSecond > 0 && last.download!.secondsLeft === 0);
    assert.ok(seen.length > downloads.length, "then the weights are read");
  });

  it("has its files as copies where there are no links, and is found without them", async () => {
    process.env.HF_HUB_DISABLE_SYMLINKS = "1";
    try {
      sameBits(await loads("tiny/base"), expected);
      const file = join(cacheDir, "models--tiny--base/snapshots", commit, "config.json");
      await assert.rejects(readlink(file));
      assert.equal((await stat(file)).size, files["config.json"].length);
      sameBits(await loads("tiny/base", { offline: true }), expected);
    } finally {
      delete process.env.HF_HUB_DISABLE_SYMLINKS;
    }
  });
});

describe("weights as torch writes them", () => {
  it("are taken where there are no others", async () => {
    hub.commit("tiny/torch", { "config.json": files["config.json"], "pytorch_model.bin": files["README.md"] });
    // No file that torch has written: that it was downloaded shows in whose error comes.
    await rejectsKvasm(() => loads("tiny/torch"), "weights", "pytorch_model.bin");
    hub.commit("tiny/both", { ...files, "pytorch_model.bin": files["README.md"] });
    sameBits(await loads("tiny/both"), expected);
    assert.deepEqual((await readdir(join(cacheDir, "models--tiny--both/snapshots"), { recursive: true })).filter((path) => path.endsWith(".bin")), []);
  });
});

describe("what is not there", () => {
  it("is said with the cure: name, revision, file, access", async () => {
    await rejectsKvasm(() => loads("tiny/nothing"), "access", "token");
    await rejectsKvasm(() => loads("tiny/nothing", { token: "hf_x" }), "absent", "source");
    await rejectsKvasm(() => loads("tiny/base", { revision: "v9" }), "absent", "revision");
    await rejectsKvasm(() => loads("tiny/base/model.gguf"), "absent", "source");
    hub.commit("tiny/gated", files, { token: "hf_yes", gated: true });
    const error = await rejectsKvasm(() => loads("tiny/gated"), "access", "token");
    assert.match(error.message, /gated.*Accept its conditions at http/);
    await rejectsKvasm(() => loads("tiny/gated", { token: "hf_no" }), "access", "token");
    sameBits(await loads("tiny/gated", { token: "hf_yes" }), expected);
    hub.commit("tiny/empty", { "README.md": files["README.md"] });
    await rejectsKvasm(() => loads("tiny/empty"), "absent", "source");
  });

  it("is an error offline, and nothing is asked", async () => {
    await rejectsKvasm(() => loads("tiny/base", { offline: true }), "offline", "source");
    process.env.HF_HUB_OFFLINE = "1";
    try {
      await rejectsKvasm(() => loads("tiny/base"), "offline", "source");
    } finally {
      delete process.env.HF_HUB_OFFLINE;
    }
    await loads("tiny/base");
    await rm(join(cacheDir, "models--tiny--base/snapshots", commit, "generation_config.json"));
    assert.match((await rejectsKvasm(() => loads("tiny/base", { offline: true }), "offline", "source")).message, /generation_config\.json/);
    assert.ok(hub.requests.length > 0);
  });

  it("is what the cache has, with a note, when the hub does not answer", async () => {
    await loads("tiny/base");
    const model = await load("tiny/base", options({ endpoint: "http://127.0.0.1:9" }));
    sameBits(model.sequence().prefill(PROMPT), expected);
    assert.match(model.notes.join(), new RegExp(`The hub did not answer.*${commit}`));
    model.dispose();
    await rejectsKvasm(() => loads("tiny/shards", { endpoint: "http://127.0.0.1:9" }), "source", "source");
  });

  it("options that cannot be are refused before anything is asked", async () => {
    for (const [bad, code, argument] of [
      [{ revision: "../x" }, "value", "revision"], [{ revision: 7 }, "type", "revision"], [{ token: "a b" }, "value", "token"], [{ token: 7 }, "type", "token"],
      [{ endpoint: "ftp://x" }, "value", "endpoint"], [{ cacheDir: "" }, "value", "cacheDir"], [{ offline: 1 }, "type", "offline"],
    ] as const) await rejectsKvasm(() => loads("tiny/base", bad as never), code, argument);
    await rejectsKvasm(() => loads(`tiny/base@${commit}`, { revision: "main" }), "value", "revision");
    await rejectsKvasm(() => load(fixtureUrl("base/"), { revision: "main" }), "option", "revision");
    for (const id of ["a/b/c", "~/models", "a//b", "-a", "a/..", "owner/na me", ""]) await rejectsKvasm(() => loads(id), "value", "source");
    assert.deepEqual(hub.requests, []);
  });
});

describe("a model that is kept in integers alone", () => {
  const pulled = (more: object = {}) => pull("tiny/base", quickly({ endpoint: hub.endpoint, cacheDir, token: false as const, keep: "converted" as const, weights: "q8" as const, ...more }));

  it("has the bits of one that was quantised while it came, and the original is gone", async () => {
    const weights = { weights: "q8" as const };
    const quantized = await loads("tiny/base", { ...weights, cacheDir: join(root, "another") });
    const { repository, commit: kept, files: written, bytes } = await pulled();
    assert.deepEqual([repository, kept], ["tiny/base.kvasm-q8", commit]);
    assert.deepEqual(written.map(({ path }) => path), ["config.json", "generation_config.json", "model.safetensors"]);
    assert.ok(bytes < files["model.safetensors"].length / 2, `${bytes} bytes`);
    assert.deepEqual((await models({ cacheDir })).map((model) => model.repository), ["tiny/base.kvasm-q8"]);
    assert.deepEqual((await verify(undefined, { cacheDir })).map(({ isWhole }) => isWhole), [true, true, true, true]);
    const origin = JSON.parse(await readFile(join(cacheDir, "models--tiny--base.kvasm-q8/snapshots", commit, "kvasm.json"), "utf8"));
    assert.deepEqual(origin, { source: "tiny/base", commit, endpoint: hub.endpoint, weights: "q8" });

    hub.forget();
    sameBits(await loads("tiny/base", { ...weights, keep: "converted" }), quantized);
    assert.equal(hub.requests.length, 0);
    await pulled();
    assert.deepEqual(hub.requests.map(({ path }) => path.split("?")[0]), ["/api/models/tiny/base/revision/main"]);
    assert.equal((await pulled({ offline: true })).bytes, bytes);
  });

  it("leaves an original that was here before, and is an error where it is not kept", async () => {
    await loads("tiny/base");
    await pulled();
    assert.deepEqual((await models({ cacheDir })).map((model) => model.repository), ["tiny/base", "tiny/base.kvasm-q8"]);
    await rejectsKvasm(() => loads("tiny/base", { weights: "q4", keep: "converted" }), "absent", "keep");
    await rejectsKvasm(() => loads("tiny/base", { keep: "converted" }), "value", "weights");
    await rejectsKvasm(() => loads("tiny/base", { keep: "both" as never }), "value", "keep");
    await rejectsKvasm(() => pulled({ weights: "f32" }), "value", "weights");
    await rejectsKvasm(() => pull("tiny/base", { weights: "q8" }), "option", "weights");
  });
});

describe("an interrupted download", () => {
  it("goes on from where it stopped, after an abort", async () => {
    const size = files["model.safetensors"].length;
    const controller = new AbortController();
    const reason = new Error("enough");
    afterRequests(8, () => controller.abort(reason));
    await assert.rejects(load("tiny/base", options({ signal: controller.signal })), (error) => error === reason);
    assert.deepEqual(await readdir(join(cacheDir, "models--tiny--base/refs")).catch(() => []), []);
    hub.misbehave = undefined;
    const sent = bytesAsked();
    hub.forget();
    sameBits(await loads("tiny/base"), expected);
    const again = bytesAsked();
    assert.ok(sent > size / 2 && again < size * 0.75, `${sent} and then ${again} of ${size}`);
  });

  it("whose bytes were damaged on disk begins anew", async () => {
    const controller = new AbortController();
    afterRequests(8, () => controller.abort());
    await assert.rejects(load("tiny/base", options({ signal: controller.signal })));
    hub.misbehave = undefined;
    const partial = join(cacheDir, "models--tiny--base/blobs", `${sha256(files["model.safetensors"])}.kvasm.incomplete`);
    const bytes = await readFile(partial);
    await writeFile(partial, bytes.map((byte) => byte ^ 1));
    sameBits(await loads("tiny/base"), expected);
  });

  /** Of storage; the one that is too many gets no answer. */
  function afterRequests(count: number, then: () => void): void {
    hub.misbehave = ({ server }) => {
      if (server === "hub" || --count >= 0) return false;
      then();
      return true;
    };
  }

  function bytesAsked(): number {
    return hub.requests.filter(({ server }) => server === "storage").reduce((sum, { headers }) => {
      const [begin, end] = /(\d+)-(\d+)/.exec(headers.range!)!.slice(1).map(Number);
      return sum + end + 1 - begin;
    }, 0);
  }
});

describe("a GGUF file of a repository", () => {
  it("is loaded by its path", async () => {
    const gguf = await fixture("base/model.safetensors");
    hub.commit("tiny/gguf", { "q8/model.gguf": gguf, "README.md": files["README.md"] });
    // Bytes of safetensors: that it was downloaded shows in whose error comes.
    await rejectsKvasm(() => loads("tiny/gguf/q8/model.gguf"), "weights");
    assert.match((await rejectsKvasm(() => loads("tiny/gguf"), "absent", "source")).message, /tiny\/gguf\/q8\/model\.gguf/);
  });
});
