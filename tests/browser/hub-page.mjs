/**
 * A model of a hub in real pages: downloaded once by two tabs, resumed after a tab was closed, in each kind of storage, with too little of it.
 * The hub is the one of the suites, on loopback, whose bytes can be made to come slowly.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../../scripts/programs.mjs";
import { compileSuite } from "../../scripts/testing/suites.mjs";

const ID = "owner/large";
const IDS = [3, 1, 4, 1, 5];
const MIB = 1 << 20;
const LIMIT = 60_000;
/** More are made with KVASM_HUB_RUNS. */
const RUNS = Number(process.env.KVASM_HUB_RUNS ?? 10);
const CLOSED_TABS = 8;

let imitated;

/** Once for all browsers. */
const imitation = () => imitated ??= compiled();

async function compiled() {
  return import(pathToFileURL(join(root, await compileSuite({ name: "hub-imitation", path: "tests/hub/imitation.ts", kind: "page" }, "host"))).href);
}

/** What Node computes from the same files. */
async function logitsOf(files) {
  const { load } = await import("../../dist/index.js");
  const model = await load(files);
  const logits = [...model.sequence().prefill(IDS)];
  model.dispose();
  return logits;
}

/** The hub with a file of weights whose sent bytes are counted, and that comes as slowly as wanted. */
async function startHub({ Hub, largeRepository }) {
  const files = largeRepository();
  const hub = await Hub.start();
  hub.commit(ID, files);
  const state = { sent: 0, pause: 0 };
  hub.misbehave = ({ server }, response, bytes, ordinary) => {
    if (server !== "storage" || bytes === undefined) return false;
    const write = response.write.bind(response);
    const end = response.end.bind(response);
    // In sixteenths of a MiB, each after the pause.
    response.end = (body) => {
      if (!(body instanceof Uint8Array)) return end(body);
      const send = (at) => {
        if (response.destroyed || response.closed) return;
        if (at >= body.length) return void end();
        const part = body.subarray(at, at + MIB / 16);
        state.sent += part.length;
        write(part);
        if (state.pause === 0) send(at + part.length);
        else setTimeout(send, state.pause, at + part.length);
      };
      send(0);
      return response;
    };
    ordinary();
    return true;
  };
  return { hub, files, state, size: files["model.safetensors"].length };
}

const call = (page, name, ...args) => page.evaluate((method, given) => window.kvasm[method](...given), name, args);

/** Without the origin's files; without its cache either. */
const WITHOUT = {
  files: () => Object.defineProperty(StorageManager.prototype, "getDirectory", { value: undefined }),
  cache: () => Object.defineProperty(globalThis, "caches", { value: undefined }),
};

/** Each a test of its own, with an empty storage. `open(before)` gives a page in which `before` ran first. */
const tests = {
  "loads a model by its name, and then without the hub": async ({ open, hub, state, size, logits }) => {
    const page = await open();
    assert.deepEqual(await call(page, "load", ID, { endpoint: hub.endpoint }), { logits });
    assert.equal(state.sent, size);
    const progress = await page.evaluate(() => window.kvasm.progress.filter(({ download }) => download !== undefined));
    assert.ok(progress.length > 2 && progress.every(({ loaded }, i) => i === 0 || loaded >= progress[i - 1].loaded), JSON.stringify(progress.slice(0, 5)));
    hub.forget();
    assert.deepEqual(await call(page, "load", ID, { endpoint: hub.endpoint, offline: true }), { logits });
    const other = await open();
    assert.deepEqual(await call(other, "load", ID, { endpoint: hub.endpoint, offline: true }), { logits });
    assert.equal(hub.requests.length, 0);
    // A page and a worker have one storage.
    assert.deepEqual((await call(other, "connect", ID, { endpoint: hub.endpoint, offline: true })).logits, logits);
    assert.equal(hub.requests.length, 0);
    await call(other, "manage", "remove", ID);
    const { reports, ...remote } = await call(other, "connect", ID, { endpoint: hub.endpoint });
    assert.deepEqual(remote, { logits });
    assert.ok(reports > 2, `${reports} reports of progress`);
    assert.deepEqual(await call(page, "load", ID, { endpoint: hub.endpoint, offline: true }), { logits });
    const { code, message } = await call(other, "load", "owner/other", { endpoint: hub.endpoint, offline: true });
    assert.equal(code, "offline", message);
  },
  "two tabs at once download it once": async ({ open, hub, state, size, logits }) => {
    const [first, second] = [await open(), await open()];
    state.pause = 10;
    const both = await Promise.all([call(first, "load", ID, { endpoint: hub.endpoint }), call(second, "load", ID, { endpoint: hub.endpoint })]);
    assert.deepEqual(both, [{ logits }, { logits }]);
    assert.equal(state.sent, size);
  },
  "goes on where a closed tab stopped": async ({ open, hub, state, size, logits }) => {
    const first = await open();
    state.pause = 20;
    void call(first, "load", ID, { endpoint: hub.endpoint }).catch(() => {}); // it ends with the tab
    await until(() => state.sent > size * 0.7);
    await first.close();
    const before = state.sent;
    state.pause = 0;
    const second = await open();
    assert.equal((await call(second, "load", ID, { endpoint: hub.endpoint, offline: true })).code, "offline", "half a file is none");
    assert.deepEqual(await call(second, "load", ID, { endpoint: hub.endpoint }), { logits });
    // Of each of four requests a MiB that was gathered, and what was on its way.
    const again = state.sent - size;
    assert.ok(before > size / 2 && again <= 5 * MIB && again < before, `${again} bytes came twice, of ${before} before`);
  },
  "another tab takes over when the one that downloads is closed": async ({ open, hub, state, logits }) => {
    const [first, second] = [await open(), await open()];
    state.pause = 20;
    void call(first, "load", ID, { endpoint: hub.endpoint }).catch(() => {});
    await until(() => state.sent > 2 * MIB);
    const waiting = call(second, "load", ID, { endpoint: hub.endpoint });
    await until(() => state.sent > 4 * MIB);
    await first.close();
    state.pause = 0;
    assert.deepEqual(await waiting, { logits });
  },
  "is kept in the cache where the origin has no files, and in memory where it has neither": async ({ open, hub, logits }) => {
    const cached = await open(WITHOUT.files);
    assert.deepEqual(await call(cached, "load", ID, { endpoint: hub.endpoint }), { logits });
    assert.equal(await cached.evaluate(async () => (await caches.keys()).join()), "kvasm-hub");
    const again = await open(WITHOUT.files);
    hub.forget();
    assert.deepEqual(await call(again, "load", ID, { endpoint: hub.endpoint, offline: true }), { logits });
    assert.equal(hub.requests.length, 0);

    const bare = await open(WITHOUT.files, WITHOUT.cache);
    assert.deepEqual(await call(bare, "load", ID, { endpoint: hub.endpoint }), { logits });
    assert.deepEqual(await call(bare, "load", ID, { endpoint: hub.endpoint, offline: true }), { logits });
    assert.equal((await call(await open(WITHOUT.files, WITHOUT.cache), "load", ID, { endpoint: hub.endpoint, offline: true })).code, "offline");
  },
  "asks for the storage before it downloads, and says how many bytes are missing": async ({ open, hub, files, state, size, logits }) => {
    const page = await open(() => { StorageManager.prototype.estimate = async () => ({ quota: 5_000_000, usage: 1_000_000 }); });
    const { code, message, value } = await call(page, "load", ID, { endpoint: hub.endpoint });
    const needed = size + files["config.json"].length;
    assert.deepEqual([code, value], ["space", needed], message);
    assert.ok(message.includes("4000000") && message.includes(String(needed)), message);
    assert.equal(state.sent, 0);
    // A quota that is met in the middle, which a browser may not have told before.
    const full = await open(() => {
      let written = 0;
      const { write } = FileSystemWritableFileStream.prototype;
      FileSystemWritableFileStream.prototype.write = function (bytes) {
        written += bytes.byteLength;
        return written > 6_000_000 ? Promise.reject(new DOMException("full", "QuotaExceededError")) : write.call(this, bytes);
      };
    });
    const second = await call(full, "load", ID, { endpoint: hub.endpoint });
    assert.equal(second.code, "space", second.message);
    const before = state.sent;
    assert.deepEqual(await call(await open(), "load", ID, { endpoint: hub.endpoint }), { logits });
    assert.ok(state.sent - before < size - 3 * MIB, "what was downloaded stayed");
  },
  "lists, measures, compares, prunes and removes what it keeps": async ({ open, hub, files, state, size, logits }) => {
    const page = await open(() => { StorageManager.prototype.persist = async () => true; });
    const manage = (...args) => call(page, "manage", ...args);
    const empty = await manage("storage");
    assert.equal(empty.bytes, 0);
    assert.ok(empty.free > size && empty.quota >= empty.free && empty.isPersistent === false, JSON.stringify(empty));
    assert.equal(await manage("persist"), true);
    const pulled = await manage("pull", ID, { endpoint: hub.endpoint });
    assert.deepEqual([pulled.bytes, [...pulled.paths].sort()], [size + files["config.json"].length, ["config.json", "model.safetensors"]], JSON.stringify(pulled));
    const [model] = await manage("models");
    assert.deepEqual([model.repository, model.unfinishedBytes, model.commits[0].references], [ID, 0, ["main"]]);
    assert.ok(Math.abs((await manage("storage")).bytes - pulled.bytes) < 10_000);
    const states = async (more = {}) => (await manage("verify", ID, more)).map(({ path, isWhole }) => `${path} ${isWhole}`).sort();
    assert.deepEqual(await states(), ["config.json true", "model.safetensors true"]);
    assert.equal(await call(page, "damage"), true);
    assert.deepEqual(await states(), ["config.json true", "model.safetensors false"]);
    assert.deepEqual(await states({ repair: true }), ["config.json true", "model.safetensors false"]);
    assert.deepEqual(await states(), ["config.json true"]);
    const before = state.sent;
    assert.deepEqual(await call(page, "load", ID, { endpoint: hub.endpoint }), { logits });
    assert.equal(state.sent - before, size);
    assert.deepEqual(await manage("prune", { olderThan: 3_600_000 }), []);
    assert.equal((await manage("prune", { largerThan: 1_000_000, dryRun: true }))[0].repository, ID);
    const kept = await manage("pull", ID, { endpoint: hub.endpoint, keep: "converted", weights: "q8" });
    assert.ok(kept.bytes < size / 2, JSON.stringify(kept));
    const small = await call(page, "load", ID, { endpoint: hub.endpoint, keep: "converted", weights: "q8", offline: true });
    assert.equal(small.logits?.length, logits.length, small.message);
    for (const { repository } of await manage("models")) if (repository !== ID) await manage("remove", repository);
    assert.deepEqual(await call(page, "load", ID, { endpoint: hub.endpoint }), { logits });
    const freed = await manage("remove", ID);
    assert.ok(freed >= pulled.bytes, `${freed} bytes`);
    assert.deepEqual(await manage("models"), []);
    assert.equal((await manage("storage", { cacheDir: "models" })).code, "option");
  },
  "survives tabs that are closed at any moment": async ({ open, hub, state, size, logits, randomOf }) => {
    const random = randomOf(7);
    let closed = 0;
    for (; closed < CLOSED_TABS; closed++) {
      const page = await open();
      state.pause = 5 + random(20);
      const target = state.sent + random(1.5 * MIB);
      let outcome;
      void call(page, "load", ID, { endpoint: hub.endpoint }).then((result) => { outcome = result; }, () => {}); // it ends with the tab
      await until(() => outcome !== undefined || state.sent > target);
      if (random(2) === 0) await new Promise((resolve) => setTimeout(resolve, random(100)));
      await page.close();
      if (outcome !== undefined) assert.deepEqual(outcome, { logits });
    }
    state.pause = 0;
    const page = await open();
    assert.deepEqual(await call(page, "load", ID, { endpoint: hub.endpoint }), { logits });
    assert.ok((await call(page, "manage", "verify")).every(({ isWhole }) => isWhole));
    assert.ok(state.sent < size * CLOSED_TABS / 2, "what the tabs downloaded stayed");
  },
  "ends in the right bytes or in an error that says why, whatever the hub does": async ({ open, hub, FAULTS, repositories, randomOf }) => {
    const page = await open();
    const [first, second] = repositories();
    const wanted = await Promise.all([first, second].map(logitsOf));
    const kinds = Object.keys(FAULTS);
    const test = { pieceBytes: 1 << 13, timing: { firstPause: 1, longest: 4, answer: 400, bytes: 400, mostAsked: 50 } };
    const outcomes = {};
    for (let seed = 1; seed <= RUNS; seed++) {
      const random = randomOf(seed);
      const id = `faults/run-${seed}`;
      hub.commit(id, first);
      const only = random(4) === 0 ? kinds[random(kinds.length)] : undefined;
      const rate = only === undefined ? 50 + random(400) : 1000;
      const changesAt = random(5) === 0 ? random(8) : -1;
      const seen = [];
      let count = 0;
      hub.misbehave = (request, response, bytes, ordinary) => {
        if (count++ === changesAt) hub.commit(id, second);
        if (random(1000) >= rate) return false;
        const kind = only ?? kinds[random(kinds.length)];
        seen.push(kind);
        // Else a page would see no more of it than that there was no answer.
        response.setHeader("access-control-allow-origin", "*");
        response.setHeader("access-control-expose-headers", "X-Repo-Commit,ETag,Content-Range,X-Linked-ETag,Retry-After");
        FAULTS[kind]({ request, response, bytes, random: () => random(1 << 20) / (1 << 20), ordinary });
        return true;
      };
      const where = () => `seed ${seed}: ${seen.join(", ")}`;
      const options = { endpoint: hub.endpoint };
      const result = await Promise.race([call(page, "load", id, options, test), new Promise((_, reject) => setTimeout(reject, LIMIT, new Error(`pending, ${where()}`)))]);
      const outcome = result.logits === undefined ? result.code : "loaded";
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      if (outcome === "loaded") assert.ok(wanted.some((logits) => String(logits) === String(result.logits)), `other numbers, ${where()}`);
      else assert.ok(["source", "absent", "access", "rate-limit"].includes(outcome), `${outcome} ${result.message}, ${where()}`);
      hub.misbehave = undefined;
      assert.ok((await call(page, "manage", "verify")).every(({ isWhole }) => isWhole), where());
      const after = await call(page, "load", id, options, { pieceBytes: 1 << 13 }); // with time
      assert.ok(wanted.some((logits) => String(logits) === String(after.logits)), `${after.message}, afterwards, ${where()}`);
      assert.deepEqual(await call(page, "load", id, { ...options, offline: true }), after, where());
      await call(page, "manage", "remove", id);
    }
    assert.ok(outcomes.loaded > RUNS / 8 && outcomes.loaded < RUNS, JSON.stringify(outcomes));
  },
};

async function until(condition) {
  for (const began = performance.now(); !condition();) {
    if (performance.now() - began > LIMIT) throw new Error(`not within ${LIMIT} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The result of a suite, as run.mjs has them. */
export async function runHubPage(browser, origin) {
  const began = performance.now();
  const failures = [];
  const details = [];
  const parts = await imitation();
  const logits = await logitsOf(parts.largeRepository());
  for (const [name, test] of Object.entries(tests)) {
    const setup = await startHub(parts);
    // A profile of its own, and so a storage of its own.
    const context = await browser.createBrowserContext();
    const open = async (...before) => {
      const page = await context.newPage();
      // Firefox reports a connection that was cut as an error of the page.
      page.on("pageerror", (error) => { if (!/Cross-Origin Request Blocked/.test(String(error))) details.push(`${name}: ${error}`); });
      for (const script of before) await page.evaluateOnNewDocument(script);
      await page.goto(`${origin}/tests/hub/page.html`);
      await page.waitForFunction("window.kvasm !== undefined", { timeout: LIMIT });
      return page;
    };
    try {
      await test({ ...parts, ...setup, open, logits });
    } catch (error) {
      failures.push(name);
      details.push(`${name}: ${error.stack ?? error}`.slice(0, 3000));
    } finally {
      await context.close().catch(() => {});
      await setup.hub.close();
    }
  }
  if (failures.length === 0 && details.length > 0) failures.push("(errors of the page)");
  return { passed: Object.keys(tests).filter((name) => !failures.includes(name)).length, failures, seconds: (performance.now() - began) / 1000, details: details.join("\n") };
}
