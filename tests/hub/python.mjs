/**
 * One cache for two libraries: what Python's huggingface_hub (PyPI) has downloaded, kvasm loads without a request, and the other way round.
 *
 *   node tests/hub/python.mjs
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensure } from "../../scripts/ensure.mjs";
import { main, root } from "../../scripts/programs.mjs";
import { capture } from "../../scripts/testing/processes.mjs";
import { Results } from "../../scripts/testing/results.mjs";
import { compileSuite } from "../../scripts/testing/suites.mjs";
import { installPython } from "../../scripts/testing/system.mjs";

const ID = "owner/shared";
const PROGRAM = `
import sys
from huggingface_hub import snapshot_download
print(snapshot_download(sys.argv[1], local_files_only=sys.argv[2] == "offline", allow_patterns=sys.argv[3:] or None))
`;

const tests = {
  "kvasm loads what Python has downloaded": async ({ hub, cache, python, logitsOf, wanted, weights }) => {
    const path = await python("online");
    assert.ok(path.startsWith(cache), path);
    hub.forget();
    assert.deepEqual(await logitsOf({ offline: true }), wanted);
    assert.equal(hub.requests.length, 0);
    assert.deepEqual(await logitsOf({}), wanted);
    assert.equal(weights(), 0);
  },
  "Python has what kvasm has downloaded": async ({ hub, files, python, logitsOf, wanted, weights }) => {
    assert.deepEqual(await logitsOf({}), wanted);
    hub.forget();
    const names = ["config.json", "generation_config.json", "model.safetensors"];
    const path = await python("offline", ...names);
    for (const name of names) assert.ok(readFileSync(join(path, name)).equals(files[name]), name);
    assert.equal(hub.requests.length, 0);
    // Online it asks for the rest, and for the weights no more.
    const whole = await python("online");
    assert.ok(readFileSync(join(whole, "README.md")).equals(files["README.md"]));
    assert.equal(weights(), 0);
    assert.deepEqual(await logitsOf({ offline: true }), wanted);
  },
  "a new commit is found by both, and shares what stayed the same": async ({ hub, other, cache, python, logitsOf, logitsOfOther, weights }) => {
    await python("online");
    hub.commit(ID, other);
    hub.forget();
    assert.deepEqual(await logitsOf({}), logitsOfOther);
    assert.ok(weights() > 0);
    hub.forget();
    const path = await python("online");
    assert.ok(path.startsWith(cache) && readFileSync(join(path, "model.safetensors")).equals(other["model.safetensors"]));
    assert.equal(weights(), 0);
  },
};

/** The result of a suite. @param executable a Python that has what tests/engines/requirements.txt names */
export async function runPython(executable, results) {
  const began = performance.now();
  const { Hub, repositories } = await import(pathToFileURL(join(root, await compileSuite({ name: "hub-python", path: "tests/hub/imitation.ts", kind: "page" }, "host"))).href);
  const { load } = await import("../../dist/index.js");
  const [files, other] = repositories().map((one) => Object.fromEntries(Object.entries(one).map(([name, bytes]) => [name, Buffer.from(bytes)])));
  const logits = async (...args) => {
    const model = await load(...args);
    const row = [...model.sequence().prefill([1, 2, 3])];
    model.dispose();
    return row;
  };
  const failures = [];
  const details = [];
  for (const [name, test] of Object.entries(tests)) {
    const cache = mkdtempSync(join(tmpdir(), "kvasm-hub-python-"));
    const hub = await Hub.start();
    hub.commit(ID, files);
    // Xet's own protocol is not imitated: files come by their addresses.
    const env = { ...process.env, HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache, HF_HOME: cache, HF_HUB_DISABLE_XET: "1", HF_HUB_DISABLE_PROGRESS_BARS: "1", HF_HUB_DISABLE_TELEMETRY: "1" };
    try {
      await test({
        hub, files, other, cache,
        python: async (...args) => {
          const { code, output } = await capture(executable, ["-c", PROGRAM, ID, ...args], { env });
          assert.equal(code, 0, output);
          return output.trim().split("\n").at(-1);
        },
        logitsOf: (options) => logits(ID, { endpoint: hub.endpoint, cacheDir: cache, token: false, ...options }),
        wanted: await logits(withoutOthers(files)), logitsOfOther: await logits(withoutOthers(other)),
        weights: () => hub.requests.filter(({ server, method }) => server === "storage" && method === "GET").length,
      });
    } catch (error) {
      failures.push(name);
      details.push(`${name}: ${error.stack ?? error}`);
    } finally {
      await hub.close();
      rmSync(cache, { recursive: true, force: true });
    }
  }
  results.add("Python", "hub-python", { passed: Object.keys(tests).length - failures.length, failures, seconds: (performance.now() - began) / 1000, details: details.join("\n") });
}

const withoutOthers = ({ "README.md": _, ...files }) => files;

main(import.meta.url, async () => {
  await ensure();
  const results = new Results();
  await runPython(await installPython(), results);
  if (results.close() > 0) process.exitCode = 1;
});
