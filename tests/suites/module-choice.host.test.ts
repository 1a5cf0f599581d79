/** Which module `load` takes by itself, out of the JavaScript that holds both, and what becomes of it where a part of that is missing. */
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { load } from "../../bindings/index.ts";
import { run, runtime } from "../support/command.ts";
import { repositoryFile, repositoryUrl } from "../support/files.ts";
import { after, assert, before, describe, it } from "../support/harness.ts";
import { hasRelaxedSimd } from "../support/relaxed.ts";

const RELAXED = "kvasm.relaxed.wasm";
const PLAIN = "kvasm.wasm";

interface Outcome { relaxed?: boolean; identical?: boolean; digest?: string; code?: string; argument?: string; message?: string }

/** Loads int4 weights in a process of its own and prints what became of it; `at`: the index.js to import. */
const probe = (at: string, options: string): string => `
  import { load } from ${JSON.stringify(at)};
  import { readFile } from "node:fs/promises";
  const source = new URL(${JSON.stringify(repositoryUrl("tests/fixtures/base/").href)});
  let outcome;
  try {
    const model = await load(source, { weights: "q4", ${options} });
    const logits = model.sequence().prefill([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], { all: true });
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", logits.buffer));
    outcome = { relaxed: model.relaxedSimd, identical: model.verify([46, 68, 7]).identical, digest: [...hash].join() };
  } catch ({ code, argument, message }) {
    outcome = { code, argument, message };
  }
  console.log(JSON.stringify(outcome));
`;

let folder: string;
/** What this runtime takes when it has both. */
let taken: boolean;
let digest: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvasm-choice-"));
  const model = await load(repositoryUrl("tests/fixtures/base/"), { weights: "q4" });
  taken = model.relaxedSimd;
  model.dispose();
  const whole = await outcome(await dist("whole"));
  assert.ok(whole.digest !== undefined, whole.message);
  digest = whole.digest;
});

after(() => rm(folder, { recursive: true, force: true }));

/** A copy of dist/'s JavaScript, without the .wasm files beside it; with other contents in the place of some files, or without them (null). */
async function dist(name: string, changes: Record<string, string | null> = {}): Promise<string> {
  const to = join(folder, name);
  await mkdir(to);
  const from = fileURLToPath(repositoryUrl("dist/"));
  for (const file of await readdir(from)) if (file.endsWith(".js") && !(file in changes)) await copyFile(join(from, file), join(to, file));
  for (const [file, text] of Object.entries(changes)) if (text !== null) await writeFile(join(to, file), text);
  // Without this, Node would not know that it is an ES module.
  await writeFile(join(to, "package.json"), JSON.stringify({ type: "module" }));
  return to;
}

/** The chunk of index.js that holds a module, as base64 of its bytes ("\\0asm…"); browser.js has others, compressed. */
async function chunk(module: string): Promise<string> {
  const stem = module.replace(".wasm", "-");
  for (const name of await readdir(repositoryUrl("dist/"))) {
    if (name.startsWith(stem) && name.endsWith(".js") && new TextDecoder().decode(await repositoryFile(`dist/${name}`)).includes('"AGFzbQ')) return name;
  }
  return assert.fail(`no chunk of ${module}`);
}

async function outcome(at: string, flags: string[] = [], options = ""): Promise<Outcome> {
  const script = join(at, "probe.mjs");
  await writeFile(script, probe(pathToFileURL(join(at, "index.js")).href, options));
  const args = {
    node: [...flags, script],
    deno: ["run", "--quiet", "--no-lock", "--no-prompt", "-A", ...(flags.length > 0 ? [`--v8-flags=${flags.join(",")}`] : []), script],
    bun: [script],
  }[runtime];
  const { code, stdout, stderr } = await run(process.execPath, args);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout.trim().split("\n").at(-1)!);
}

describe("what dist/'s JavaScript holds", () => {
  it("is both: the one that load takes in this process, too, with no file of WebAssembly beside it", async () => {
    const { relaxed, identical } = await outcome(await dist("both"));
    assert.deepEqual([relaxed, identical], [taken, true]);
    assert.ok(hasRelaxedSimd || !taken);
  });

  it("needs the one that is taken, and not the other", async () => {
    for (const [name, module] of [["plain", PLAIN], ["relaxed", RELAXED]]) {
      const found = await outcome(await dist(`without-${name}`, { [await chunk(module)]: null }));
      if ((module === RELAXED) === taken) {
        assert.deepEqual([found.code, found.argument], ["source", "import"]);
        assert.match(found.message!, /kvasm\/static/);
      } else assert.deepEqual(found, { relaxed: taken, identical: true, digest });
    }
  });

  it("a module that is damaged, or of another version, is an error", async () => {
    const bytes = (await repositoryFile(`dist/${taken ? RELAXED : PLAIN}`)).slice(0, -100);
    const damages: [string, Uint8Array, RegExp][] = [["damaged", bytes, new RegExp(`${bytes.length} bytes`)], ["version", Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0), /ABI/]];
    for (const [name, contents, message] of damages) {
      const text = `export default Uint8Array.of(${contents.join()})`;
      const found = await outcome(await dist(name, { [await chunk(taken ? RELAXED : PLAIN)]: text }));
      assert.deepEqual([found.code, found.argument], ["value", "wasm"], found.message);
      assert.match(found.message!, message);
    }
  });
});

// Flags of V8 for a processor whose 8-bit dot product is several instructions.
if (process.arch === "x64" && runtime !== "bun") {
  describe("a processor without a dot product of bytes", () => {
    it("takes kvasm.wasm, where relaxed SIMD is too", async () => {
      const at = await dist("without-avx");
      assert.deepEqual(await outcome(at, ["--no-enable-avx"]), { relaxed: false, identical: true, digest });
    });
  });
}

// Behind a flag Node 20 has relaxed SIMD whose dot product takes its operands the other way round in one of the two compilers.
if (runtime === "node" && process.version.startsWith("v20.")) {
  describe("an engine whose dot product is not the standard's", () => {
    it("takes kvasm.wasm", async () => {
      const at = await dist("unfinished");
      for (const flags of [[], ["--liftoff-only"]]) {
        assert.deepEqual(await outcome(at, ["--experimental-wasm-relaxed-simd", ...flags]), { relaxed: false, identical: true, digest });
      }
    });

    it("refuses kvasm.relaxed.wasm by hand where it would compute wrongly", async () => {
      const at = await dist("by-hand");
      const wasm = `wasm: await readFile(new URL(${JSON.stringify(repositoryUrl(`dist/${RELAXED}`).href)}))`;
      const flag = "--experimental-wasm-relaxed-simd";
      const { code, argument, relaxed } = await outcome(at, [flag, "--liftoff-only"], wasm);
      assert.deepEqual([code, argument, relaxed], ["engine", "wasm", undefined]);
      // The other compiler of the same engine is right.
      assert.deepEqual(await outcome(at, [flag, "--no-liftoff"], wasm), { relaxed: true, identical: true, digest });
    });
  });
}
