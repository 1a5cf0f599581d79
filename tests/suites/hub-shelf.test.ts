/** What browsers have to keep models in: the origin's files, the cache, memory. In other runtimes memory alone. */
import { KvasmError } from "../../bindings/errors.ts";
import { CachedAnswers } from "../../bindings/hub/browser/cached-answers.ts";
import { exclusively } from "../../bindings/hub/browser/locks.ts";
import { MemoryShelf } from "../../bindings/hub/browser/memory-shelf.ts";
import { OriginFiles } from "../../bindings/hub/browser/origin-files.ts";
import type { Shelf } from "../../bindings/hub/browser/shelf.ts";
import { ShelfStore } from "../../bindings/hub/browser/store.ts";
import type { HubFile, Store } from "../../bindings/hub/store.ts";
import { ByteReader } from "../../bindings/files/bytes.ts";
import { assert, describe, it } from "../support/harness.ts";

const isPage = typeof document !== "undefined";
const SHELVES: Record<string, () => Promise<Shelf | undefined>> = { memory: async () => new MemoryShelf() };
if (isPage) {
  SHELVES["the origin's files"] = () => OriginFiles.open();
  SHELVES["the origin's cache"] = () => CachedAnswers.open();
}

const REPOSITORY = "owner/a name.with-signs";
const [A, B] = ["a".repeat(40), "b".repeat(40)];
const MIB = 1 << 20;
const hex = (digit: string): string => digit.repeat(64);
const file = (path: string, size: number, digit: string): HubFile => ({ path, size, digest: { kind: "sha256", hex: hex(digit) } });
const bytesFrom = (begin: number, end: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length: end - begin }, (_, i) => (begin + i) * 7 + ((begin + i) >> 8));

async function content(store: Store, commit: string, path: string): Promise<Uint8Array | null> {
  const opened = await store.open(REPOSITORY, commit, path);
  return opened && new ByteReader(opened, path, "", undefined).take(opened.size! + 1);
}

/** Downloads, as it were. */
async function bring(store: Store, commit: string, one: HubFile): Promise<void> {
  const partial = await store.partial(REPOSITORY, one);
  if (one.size > 0) await partial.write(0, bytesFrom(0, one.size));
  await partial.commit();
  await store.link(REPOSITORY, commit, one);
}

for (const [name, open] of Object.entries(SHELVES)) {
  const fresh = async (): Promise<{ shelf: Shelf; store: ShelfStore }> => {
    const shelf = await open();
    assert.ok(shelf !== undefined, `${name} cannot be opened here`);
    for (const { name: item } of await shelf.list("")) await shelf.remove(item);
    return { shelf, store: new ShelfStore(shelf) };
  };

  describe(`a store in ${name}`, () => {
    it("knows references and listings, and nothing of what it was not told", async () => {
      const { shelf, store } = await fresh();
      assert.equal(await store.reference(REPOSITORY, "main"), undefined);
      assert.equal(await store.listing(REPOSITORY, A), undefined);
      assert.equal(await store.has(REPOSITORY, A, "config.json"), undefined);
      assert.equal(await store.open(REPOSITORY, A, "config.json"), null);
      await store.setReference(REPOSITORY, "main", A);
      await store.setReference(REPOSITORY, "a/branch", B);
      assert.equal(await store.reference(REPOSITORY, "main"), A);
      assert.equal(await store.reference(REPOSITORY, "a/branch"), B);
      const listing = new Map([["config.json", file("config.json", 3, "1")], ["a/b.bin", { path: "a/b.bin", size: 5, digest: { kind: "git" as const, hex: A } }]]);
      await store.setListing(REPOSITORY, A, listing);
      const kept = (await store.listing(REPOSITORY, A))!;
      assert.deepEqual([...kept.values()].map(({ path, size, digest }) => [path, size, digest]).sort(), [...listing.values()].map(({ path, size, digest }) => [path, size, digest]).sort());
      assert.equal(await store.has(REPOSITORY, A, "config.json"), undefined);
      assert.equal(await store.has(REPOSITORY, A, "other"), false);
      // What a page has not written to its end is none.
      await shelf.put(`${encodeURIComponent(REPOSITORY)}/refs/main`, new Uint8Array(0));
      await shelf.put(`${encodeURIComponent(REPOSITORY)}/trees/${A}`, new TextEncoder().encode('{"format_version":1,"fi') as Uint8Array<ArrayBuffer>);
      assert.equal(await store.reference(REPOSITORY, "main"), undefined);
      assert.equal(await store.listing(REPOSITORY, A), undefined);
    });

    it("keeps what was written of a blob through every end, and has it when it is committed", async () => {
      const { shelf } = await fresh();
      const one = file("model.safetensors", 3 * MIB + 5, "2");
      let partial = await new ShelfStore(shelf).partial(REPOSITORY, one);
      assert.deepEqual(partial.ranges, []);
      // Two requests at once, in pieces.
      for (let at = 0; at < MIB + 300_000; at += 100_000) await partial.write(at, bytesFrom(at, at + 100_000));
      for (let at = 2 * MIB; at < one.size; at += 262_144) await partial.write(at, bytesFrom(at, Math.min(one.size, at + 262_144)));
      assert.deepEqual(partial.ranges, [{ begin: 0, end: 1_400_000 }, { begin: 2 * MIB, end: one.size }]);
      assert.deepEqual(await partial.read(2 * MIB + 7, 2 * MIB + 2_000), bytesFrom(2 * MIB + 7, 2 * MIB + 2_000));
      await partial.close();
      await partial.close();

      const store = new ShelfStore(shelf); // another page
      assert.equal(await store.hasBlob(REPOSITORY, one), false);
      partial = await store.partial(REPOSITORY, one);
      assert.deepEqual(partial.ranges, [{ begin: 0, end: 1_400_000 }, { begin: 2 * MIB, end: one.size }]);
      await partial.write(1_400_000, bytesFrom(1_400_000, 2 * MIB));
      assert.deepEqual(await partial.read(1_000_000, 2 * MIB + 9), bytesFrom(1_000_000, 2 * MIB + 9));
      assert.equal(await store.hasBlob(REPOSITORY, one), false, "all bytes are here, and were not compared yet");
      await partial.commit();
      await partial.close();
      assert.equal(await store.hasBlob(REPOSITORY, one), true);
      assert.equal(await store.hasBlob(REPOSITORY, { ...one, size: one.size + 1 }), false);
      await store.link(REPOSITORY, A, one);
      assert.equal(await store.has(REPOSITORY, A, one.path), true);
      assert.deepEqual(await content(store, A, one.path), bytesFrom(0, one.size));
      assert.equal(await content(store, B, one.path), null);
    });

    it("loses at most what was gathered when a tab is closed without a word", async () => {
      const { shelf, store } = await fresh();
      const one = file("model.safetensors", 4 * MIB, "3");
      const partial = await store.partial(REPOSITORY, one);
      for (let at = 0; at < 2.5 * MIB; at += 262_144) await partial.write(at, bytesFrom(at, at + 262_144));
      assert.deepEqual((await new ShelfStore(shelf).partial(REPOSITORY, one)).ranges, [{ begin: 0, end: 2 * MIB }]);
    });

    it("takes nothing that is half written for whole", async () => {
      const { shelf, store } = await fresh();
      const one = file("model.safetensors", 2 * MIB, "4");
      await bring(store, A, one);
      const folder = `${encodeURIComponent(REPOSITORY)}/blobs/${hex("4")}`;
      const [{ path: part }] = (await shelf.all(folder)).filter(({ path }) => path.startsWith("0-"));
      await shelf.put(`${folder}/${part}`, bytesFrom(0, 1000)); // too short
      assert.equal(await store.hasBlob(REPOSITORY, one), false);
      assert.equal(await store.has(REPOSITORY, A, one.path), undefined);
      assert.equal(await store.open(REPOSITORY, A, one.path), null);
      await store.removeBlob(REPOSITORY, one.digest);
      await bring(store, A, one);
      await shelf.put(`${folder}/whole`, new Uint8Array(0));
      assert.equal(await store.hasBlob(REPOSITORY, one), false);
      // An intent that was not written to its end is none: all begins anew.
      const two = file("other.safetensors", 2 * MIB, "5");
      const partial = await store.partial(REPOSITORY, two);
      await partial.write(0, bytesFrom(0, MIB));
      await partial.close();
      await shelf.put(`${encodeURIComponent(REPOSITORY)}/blobs/${hex("5")}/intent`, new TextEncoder().encode('{"kvasm":1,"si') as Uint8Array<ArrayBuffer>);
      assert.deepEqual((await store.partial(REPOSITORY, two)).ranges, []);
    });

    it("drops what was wrong", async () => {
      const { store } = await fresh();
      const one = file("model.safetensors", MIB, "6");
      const partial = await store.partial(REPOSITORY, one);
      await partial.write(0, bytesFrom(0, MIB));
      await partial.discard();
      await partial.close();
      assert.deepEqual((await store.partial(REPOSITORY, one)).ranges, []);
      await bring(store, A, one);
      await store.link(REPOSITORY, B, one);
      await store.removeBlob(REPOSITORY, one.digest);
      assert.equal(await store.hasBlob(REPOSITORY, one), false);
      for (const commit of [A, B]) assert.equal(await store.open(REPOSITORY, commit, one.path), null);
    });

    it("lists, measures and removes, blobs that commits share once", async () => {
      const { store } = await fresh();
      assert.deepEqual(await store.models(), []);
      const [shared, first, second] = [file("vocab.json", 1000, "7"), file("model.safetensors", 2000, "8"), file("model.safetensors", 3000, "9")];
      for (const [commit, weights] of [[A, first], [B, second]] as const) {
        await store.setListing(REPOSITORY, commit, new Map([shared, weights].map((one) => [one.path, one])));
        await bring(store, commit, weights);
      }
      await bring(store, A, shared);
      await store.link(REPOSITORY, B, shared);
      await store.setReference(REPOSITORY, "main", B);
      const unfinished = await store.partial(REPOSITORY, file("big", 10_000, "c"));
      await unfinished.write(0, bytesFrom(0, 500));
      await unfinished.close();
      const began = Date.now();

      const [model, ...others] = await store.models();
      assert.deepEqual(others, []);
      assert.equal(model.repository, REPOSITORY);
      assert.deepEqual(model.commits.map(({ commit, references, files }) => [commit, references, files.map(({ path, size }) => [path, size])]), [
        [A, [], [["model.safetensors", 2000], ["vocab.json", 1000]]], [B, ["main"], [["model.safetensors", 3000], ["vocab.json", 1000]]],
      ]);
      assert.ok(model.unfinishedBytes > 500 && model.unfinishedBytes < 1000, String(model.unfinishedBytes));
      assert.ok(model.bytes > 6500 && model.bytes < 9000, String(model.bytes));
      assert.ok(Math.abs(model.lastUsed - began) < 60_000);

      const freed = await store.remove(REPOSITORY, A);
      assert.ok(freed > 2000 && freed < 3500, String(freed));
      assert.equal(await content(store, A, "vocab.json"), null);
      assert.equal((await content(store, B, "vocab.json"))?.length, 1000);
      assert.deepEqual((await store.partial(REPOSITORY, file("big", 10_000, "c"))).ranges, [{ begin: 0, end: 500 }]);
      assert.ok(await store.remove(REPOSITORY, B) > 4000);
      assert.equal(await store.remove(REPOSITORY), 0);
      assert.deepEqual(await store.models(), []);
    });

    it("lets one work at a blob and the others wait, who are told what is here", async () => {
      const { shelf } = await fresh();
      const one = file("model.safetensors", 3 * MIB, "d");
      let inside = 0;
      const told: (number | undefined)[] = [];
      await Promise.all(Array.from({ length: 3 }, async () => {
        const store = new ShelfStore(shelf);
        await store.lock(REPOSITORY, one, async (lost) => {
          assert.equal(++inside, 1);
          assert.equal(lost.aborted, false);
          const partial = await store.partial(REPOSITORY, one);
          const at = partial.ranges[0]?.end ?? 0;
          await partial.write(at, bytesFrom(at, at + MIB));
          await new Promise((resolve) => setTimeout(resolve, 700));
          await partial.close();
          inside--;
        }, { waiting: (bytes) => told.push(bytes) });
      }));
      assert.ok(told.includes(MIB), told.join());
      assert.deepEqual((await new ShelfStore(shelf).partial(REPOSITORY, one)).ranges, [{ begin: 0, end: 3 * MIB }]);
    });
  });
}

describe("who waits for a lock", () => {
  it("stops to wait when the signal aborts, and is not let in afterwards", async () => {
    const controller = new AbortController();
    let end!: () => void;
    let held!: Promise<void>;
    await new Promise<void>((begun) => {
      held = exclusively("a lock", undefined, () => new Promise<void>((resolve) => {
        end = resolve;
        begun();
      }));
    });
    let ran = false;
    const waiting = exclusively("a lock", controller.signal, async () => { ran = true; });
    const after = exclusively("a lock", undefined, async () => "after");
    controller.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    end();
    await held;
    assert.equal(await after, "after");
    assert.equal(ran, false);
    await assert.rejects(exclusively("a lock", AbortSignal.abort(new Error("before")), async () => {}), /before/);
  });
});

describe("storage that fails", () => {
  const failing = (name: string): Shelf => new Proxy(new MemoryShelf() as Shelf, {
    get: (shelf, key) => key === "put" ? () => Promise.reject(new DOMException("no more", name)) : typeof shelf[key as "get"] === "function" ? shelf[key as "get"].bind(shelf) : shelf[key as "get"],
  });

  it("is an error that says what to do, and how many bytes did not fit", async () => {
    const put = (name: string) => new ShelfStore(failing(name)).setReference(REPOSITORY, "main", A);
    await assert.rejects(put("QuotaExceededError"), (error) => KvasmError.is(error) && error.code === "space" && error.value === 40 && error.message.includes("40 bytes"));
    await assert.rejects(put("InvalidStateError"), (error) => KvasmError.is(error) && error.code === "source" && error.message.includes("no more"));
  });
});
