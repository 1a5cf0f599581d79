import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { takeLock } from "../../bindings/hub/folder/lock.ts";
import { parseJournal } from "../../bindings/hub/folder/partial.ts";
import { FolderStore } from "../../bindings/hub/folder/store.ts";
import { load } from "../../bindings/index.ts";
import { run } from "../support/command.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { after, assert, before, describe, it } from "../support/harness.ts";
import { baseRepository, quickly } from "../support/hub-models.ts";
import { Hub } from "../support/hub.ts";

const TIMES = { beat: 20, stale: 200, poll: 5 };
let folder: string;

before(async () => { folder = await mkdtemp(join(tmpdir(), "kvasm-hub-folder-")); });
after(() => rm(folder, { recursive: true, force: true }));

async function lockOf(name: string, holder: object): Promise<string> {
  const path = join(folder, `${name}.lock`);
  await writeFile(path, JSON.stringify(holder));
  return path;
}

describe("a lock between processes", () => {
  it("of one that has ended is taken at once", async () => {
    const { stdout } = await run(process.execPath, "Deno" in globalThis ? ["eval", "console.log(Deno.pid)"] : ["-e", "console.log(process.pid)"]);
    const path = await lockOf("ended", { token: "a", pid: Number(stdout), host: hostname() });
    const held = await takeLock(path, AbortSignal.timeout(5000), () => {}, { ...TIMES, stale: 60_000 });
    assert.equal(held.isTakenFromLiving, false);
    await held.release();
    await assert.rejects(readFile(path));
  });

  it("whose holder no longer beats is taken from it, and may be written to by it yet", async () => {
    const path = await lockOf("silent", { token: "b", pid: 1, host: "another machine" });
    let waited = 0;
    const held = await takeLock(path, AbortSignal.timeout(5000), () => void waited++, TIMES);
    assert.ok(held.isTakenFromLiving && waited > 5);
    await held.release();
  });

  it("that beats is waited for, and a wait can be aborted", async () => {
    const path = join(folder, "held.lock");
    const first = await takeLock(path, undefined, () => {}, TIMES);
    const reason = new Error("enough");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 500);
    await assert.rejects(takeLock(path, controller.signal, () => {}, TIMES), (error) => error === reason);
    const second = takeLock(path, AbortSignal.timeout(5000), () => {}, TIMES);
    await first.release();
    await (await second).release();
  });

  it("that another has taken is lost to its holder, who leaves it alone", async () => {
    const path = join(folder, "lost.lock");
    const held = await takeLock(path, undefined, () => {}, TIMES);
    await lockOf("lost", { token: "c", pid: 1, host: "another machine" });
    await new Promise((resolve) => held.lost.addEventListener("abort", resolve));
    await held.release();
    assert.equal(JSON.parse(await readFile(path, "utf8")).token, "c");
  });
});

describe("the journal of a download", () => {
  it("claims what was written, and nothing of a line that was cut off", () => {
    const intent = '{"kvasm":1,"size":1000}\n';
    assert.deepEqual(parseJournal(`${intent}\n0 100\n\n300 400\n\n100 200\n`, { size: 1000 }), [{ begin: 0, end: 200 }, { begin: 300, end: 400 }]);
    assert.deepEqual(parseJournal(`${intent}\n500 600\n\n700 8`, { size: 1000 }), [{ begin: 500, end: 600 }]);
    // Its end came by the next line's beginning: fewer bytes than were written, or none.
    assert.deepEqual(parseJournal(`${intent}\n500 60\n\n700 800\n`, { size: 1000 }), [{ begin: 700, end: 800 }]);
    for (const text of ["", '{"kvasm":1,"si', '{"kvasm":1,"size":999}\n0 10\n', "{}\n0 10\n"]) assert.equal(parseJournal(text, { size: 1000 }), undefined, text);
  });
});

describe("a cache that others have written", () => {
  const commit = "1".repeat(40);

  async function cacheOf(name: string, files: Record<string, Uint8Array>, absent: readonly string[]): Promise<() => Promise<void>> {
    const cacheDir = join(folder, name);
    const put = async (path: string, bytes: Uint8Array | string): Promise<void> => {
      await mkdir(dirname(join(cacheDir, "models--tiny--old", path)), { recursive: true });
      await writeFile(join(cacheDir, "models--tiny--old", path), bytes);
    };
    await put("refs/main", commit);
    for (const [path, bytes] of Object.entries(files)) await put(`snapshots/${commit}/${path}`, bytes);
    for (const path of absent) await put(`.no_exist/${commit}/${path}`, "");
    return async () => (await load("tiny/old", { cacheDir, offline: true })).dispose();
  }

  it("without a listing is used where it is known what the model has not", async () => {
    const { ".gitattributes": all, "config.json": config, "generation_config.json": generation, "model.safetensors": weights } = await baseRepository();
    await (await cacheOf("whole", { ".gitattributes": all, "config.json": config, "model.safetensors": weights }, []))();
    await (await cacheOf("asked", { "config.json": config, "generation_config.json": generation, "model.safetensors": weights }, ["tokenizer.json"]))();
    const error = await rejectsKvasm(await cacheOf("unknown", { "config.json": config, "generation_config.json": generation, "model.safetensors": weights }, []), "offline", "source");
    assert.match(error.message, /without tokenizer\.json, and whether the model has one is not known/);
    assert.match((await rejectsKvasm(await cacheOf("half", { ".gitattributes": all, "config.json": config }, []), "offline", "source")).message, /without "model\.safetensors"/);
  });
});

describe("a disk without room", () => {
  it("is an error before anything comes, with the bytes that are needed", async () => {
    const hub = await Hub.start();
    try {
      const files = await baseRepository();
      hub.commit("tiny/base", files);
      class FullStore extends FolderStore {
        override async space() { return { free: 1000 }; }
      }
      const error = await rejectsKvasm(() => load("tiny/base", quickly({ endpoint: hub.endpoint, token: false as const }, { store: new FullStore(join(folder, "full")) })), "space", "source");
      assert.equal(error.value, ["config.json", "generation_config.json", "model.safetensors"].reduce((sum, name) => sum + files[name].length, 0));
      assert.match(error.message, /1000 are free/);
      assert.equal(hub.requests.filter(({ server }) => server === "storage").length, 0);
    } finally {
      await hub.close();
    }
  });
});
