/** Which module `load` takes by itself: from a folder that lacks one, by hosts that lack what it needs, from a server. */
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
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

/** A copy of dist/ with other files in place of some, or without them (null). */
async function dist(name: string, changes: Record<string, Uint8Array | null> = {}): Promise<string> {
  const to = join(folder, name);
  await mkdir(to);
  const from = fileURLToPath(repositoryUrl("dist/"));
  for (const file of await readdir(from)) if (/\.(js|wasm)$/.test(file) && !(file in changes)) await copyFile(join(from, file), join(to, file));
  for (const [file, bytes] of Object.entries(changes)) if (bytes !== null) await writeFile(join(to, file), bytes);
  // Without this, Node would not know that it is an ES module.
  await writeFile(join(to, "package.json"), JSON.stringify({ type: "module" }));
  return to;
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

describe("beside index.js", () => {
  it("both: the one that load takes in this process, too", async () => {
    const { relaxed, identical } = await outcome(await dist("both"));
    assert.deepEqual([relaxed, identical], [taken, true]);
    assert.ok(hasRelaxedSimd || !taken);
  });

  it("kvasm.wasm alone, as was deployed before there were two: the same bits", async () => {
    assert.deepEqual(await outcome(await dist("alone", { [RELAXED]: null })), { relaxed: false, identical: true, digest });
  });

  it("kvasm.wasm and an empty file or a page in place of the other: the same bits", async () => {
    for (const [name, text] of [["empty", ""], ["page", "<!doctype html><title>Not found</title>"]]) {
      assert.deepEqual(await outcome(await dist(name, { [RELAXED]: new TextEncoder().encode(text) })), { relaxed: false, identical: true, digest });
    }
  });

  it("a relaxed module that is damaged is an error where it is taken, and is not passed over", async () => {
    const bytes = (await repositoryFile(`dist/${RELAXED}`)).slice(0, -100);
    const found = await outcome(await dist("damaged", { [RELAXED]: bytes }));
    if (taken) {
      assert.deepEqual([found.code, found.argument], ["value", "wasm"], found.message);
      assert.match(found.message!, new RegExp(`${bytes.length} bytes`));
    } else assert.deepEqual(found, { relaxed: false, identical: true, digest });
  });

  it("a relaxed module of another version is an error where it is taken", async () => {
    const found = await outcome(await dist("version", { [RELAXED]: Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0) }));
    if (taken) {
      assert.deepEqual([found.code, found.argument], ["value", "wasm"], found.message);
      assert.match(found.message!, /ABI/);
    } else assert.deepEqual(found, { relaxed: false, identical: true, digest });
  });

  it("kvasm.relaxed.wasm alone is enough where it is taken, and else an error that names kvasm.wasm", async () => {
    const found = await outcome(await dist("relaxed", { [PLAIN]: null }));
    if (taken) assert.deepEqual(found, { relaxed: true, identical: true, digest });
    else assert.deepEqual([found.code, found.argument, /\/kvasm\.wasm /.test(found.message!)], ["source", "wasm", true], found.message);
  });

  it("neither: an error that names kvasm.wasm", async () => {
    const found = await outcome(await dist("neither", { [PLAIN]: null, [RELAXED]: null }));
    assert.deepEqual([found.code, found.argument], ["source", "wasm"]);
    assert.match(found.message!, /\/kvasm\.wasm cannot be read/);
    assert.match(found.message!, /Put kvasm\.wasm beside the bundle/);
  });
});

// Other runtimes do not import from an address like this, or not without being told.
if (runtime === "node") {
  describe("on a server", () => {
    /** Status and body of kvasm.relaxed.wasm. */
    let answer: [status: number, body: Uint8Array | string];
    const asked: string[] = [];
    const server = createServer(async (request, response) => {
      const name = request.url!.split("/").at(-1)!;
      asked.push(name);
      const [status, body] = name === RELAXED ? answer : [200, await repositoryFile(`dist/${name}`)];
      response.writeHead(status).end(body);
    });
    before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
    after(() => new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }));

    /** The library as a page has it that was served from this origin. */
    async function served(name: string): Promise<Outcome> {
      const { build } = await import("esbuild");
      const at = join(folder, `served-${name}`);
      await mkdir(at);
      const { outputFiles } = await build({
        entryPoints: [fileURLToPath(repositoryUrl("bindings/index.ts"))], bundle: true, write: false, format: "esm", platform: "neutral",
        mainFields: ["module", "main"], external: ["node:*"], logLevel: "silent",
        define: { "import.meta.url": JSON.stringify(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}/index.js`) },
      });
      await writeFile(join(at, "package.json"), JSON.stringify({ type: "module" }));
      await writeFile(join(at, "index.js"), outputFiles[0].contents);
      asked.length = 0;
      return outcome(at);
    }

    it("where there is none, be it said by its status or by a page, kvasm.wasm is taken", async () => {
      for (const [name, status, body] of [["missing", 404, "no"], ["forbidden", 403, "no"], ["page", 200, "<!doctype html>"]] as const) {
        answer = [status, body];
        assert.deepEqual(await served(name), { relaxed: false, identical: true, digest });
        assert.deepEqual(asked, taken ? [RELAXED, PLAIN] : [PLAIN]);
      }
    });

    it("where there is one, nothing else is asked for", async () => {
      answer = [200, await repositoryFile(`dist/${RELAXED}`)];
      assert.deepEqual(await served("there"), { relaxed: taken, identical: true, digest });
      assert.deepEqual(asked, [taken ? RELAXED : PLAIN]);
    });

    it("half of one is an error where it is taken", async () => {
      answer = [200, (await repositoryFile(`dist/${RELAXED}`)).slice(0, 20_000)];
      const { code, relaxed } = await served("half");
      assert.deepEqual([code, relaxed], taken ? ["value", undefined] : [undefined, false]);
    });
  });
}

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
      const wasm = `wasm: await readFile(new URL(${JSON.stringify(RELAXED)}, import.meta.url))`;
      const flag = "--experimental-wasm-relaxed-simd";
      const { code, argument, relaxed } = await outcome(at, [flag, "--liftoff-only"], wasm);
      assert.deepEqual([code, argument, relaxed], ["engine", "wasm", undefined]);
      // The other compiler of the same engine is right.
      assert.deepEqual(await outcome(at, [flag, "--no-liftoff"], wasm), { relaxed: true, identical: true, digest });
    });
  });
}
