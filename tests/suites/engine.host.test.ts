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

let folder: string;
let probe: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvasm-engine-"));
  probe = join(folder, "probe.mjs");
  await writeFile(probe, PROBE);
});

after(() => rm(folder, { recursive: true, force: true }));

async function outcome(flags: string[], env: Record<string, string> = {}): Promise<{ loaded?: boolean; typed?: boolean; code?: string; message?: string }> {
  const args = {
    node: [...flags, probe],
    deno: ["run", "--quiet", "--no-lock", "--no-prompt", "-A", ...(flags.length > 0 ? [`--v8-flags=${flags.join(",")}`] : []), probe],
    bun: [probe],
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
});
