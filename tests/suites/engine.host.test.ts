/** Hosts whose WebAssembly cannot run the module, made with flags of the engine. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, runtime } from "../support/command.ts";
import { repositoryUrl } from "../support/files.ts";
import { after, assert, before, describe, it } from "../support/harness.ts";

/** Loads in a process of its own and prints what became of it. */
const PROBE = `
  import { load, KvasmError } from ${JSON.stringify(repositoryUrl("dist/index.js").href)};
  let outcome;
  try {
    const model = await load();
    outcome = { loaded: model.verify([464, 2068, 7586]).identical };
  } catch (error) {
    outcome = { typed: error instanceof KvasmError, code: error.code, message: error.message };
  }
  console.log(JSON.stringify(outcome));
`;

/** For each pair of types: verify's report, and the bits of logits computed after it; or the error's code. */
const PAIRS = `
  import { readFile } from "node:fs/promises";
  import { load } from ${JSON.stringify(repositoryUrl("dist/index.js").href)};
  const source = new URL(${JSON.stringify(repositoryUrl("tests/fixtures/base/").href)});
  const wasm = await WebAssembly.compile(await readFile(new URL(${JSON.stringify(repositoryUrl("dist/kvasm.wasm").href)})));
  const ids = Array.from({ length: 40 }, (_, i) => i * 7 + 1);
  const outcome = {};
  for (const weights of ["f32", "q8", "q4"]) {
    for (const cache of ["f32", "f16", "q8"]) {
      const model = await load(source, { weights, cache, wasm });
      try {
        const { identical, knownAnswers } = model.verify(ids);
        outcome[weights + " " + cache] = { identical, knownAnswers, bits: [...new Uint32Array(model.sequence().prefill(ids).buffer)].join() };
      } catch ({ code }) {
        outcome[weights + " " + cache] = { code };
      }
      model.dispose();
    }
  }
  console.log(JSON.stringify(outcome));
`;

let folder: string;
let probe: string;
let pairs: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvasm-engine-"));
  probe = join(folder, "probe.mjs");
  pairs = join(folder, "pairs.mjs");
  await writeFile(probe, PROBE);
  await writeFile(pairs, PAIRS);
});

after(() => rm(folder, { recursive: true, force: true }));

async function outcome(flags: string[], env: Record<string, string> = {}): Promise<{ loaded?: boolean; typed?: boolean; code?: string; message?: string }> {
  return printed(probe, flags, env);
}

async function printed(script: string, flags: string[], env: Record<string, string> = {}) {
  const args = {
    node: [...flags, script],
    deno: ["run", "--quiet", "--no-lock", "--no-prompt", "-A", ...(flags.length > 0 ? [`--v8-flags=${flags.join(",")}`] : []), script],
    bun: [script],
  }[runtime];
  const { code, stdout, stderr } = await run(process.execPath, args, { env });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout.trim().split("\n").at(-1)!);
}

/** Hosts by what they lack: flags for V8, environment for Bun's JavaScriptCore. */
const LACKING: { name: string; flags: string[]; env: Record<string, string>; says: RegExp }[] = [
  { name: "SIMD", flags: ["--no-enable-sse4-1"], env: { BUN_JSC_useWasmSIMD: "0" }, says: /SIMD/ },
  { name: "WebAssembly", flags: ["--jitless"], env: { BUN_JSC_useWasm: "0" }, says: /WebAssembly/ },
];

describe("an engine", () => {
  it("as it is runs the module", async () => {
    assert.deepEqual(await outcome([]), { loaded: true });
  });

  // On another processor the flag that takes SIMD away has another name.
  for (const { name, flags, env, says } of process.arch === "x64" ? LACKING : LACKING.slice(1)) {
    it(`without ${name} is refused with an error that says so`, async () => {
      const { typed, code, message } = await outcome(flags, env);
      assert.deepEqual({ typed, code }, { typed: true, code: "engine" }, message);
      assert.match(message!, says);
    });
  }

  /**
   * V8's 256-bit vectors, off by default: in Node 24.21 on x64 it computes kvasm.wasm's int4 wrongly. Where another version computes
   * them rightly, verify has to say that instead. known-answers.test.ts has modules that are wrong everywhere.
   */
  const flags = runtime === "node" && Number(process.versions.node.split(".")[0]) < 22 ? null : runtime === "bun" ? null : ["--experimental-wasm-revectorize"];
  it(`that miscomputes is seen by verify${flags === null ? " (this one has no such flag)" : ""}`, { timeout: 60_000 }, async () => {
    const right: Record<string, { bits: string }> = await printed(pairs, []);
    const found: Record<string, { bits?: string; code?: string }> = await printed(pairs, flags ?? []);
    for (const [types, { bits }] of Object.entries(right)) {
      const { bits: other, ...report } = found[types];
      if (report.code !== undefined) assert.deepEqual(report, { code: "engine" }, types);
      else assert.deepEqual(report, { identical: other === bits, knownAnswers: other === bits }, types);
    }
  });
});
