/** The package as a user gets it: packed, installed into an empty project outside the repository, without a network. */
import { mkdir, mkdtemp, readFile, readdir, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { publint } from "publint";
import { after, assert, before, describe, it } from "../support/harness.ts";
import { root, run } from "../support/command.ts";
import type { Finished } from "../support/command.ts";

const MIB = 2 ** 20;

/** Every file of the tarball. Chunks have a digest of their contents in their names. */
const EXPECTED = [
  "LICENSE",
  "README.md",
  "package.json",
  "dist/cli.js",
  "dist/convert.js",
  "dist/index.js",
  "dist/kvasm.relaxed.wasm",
  "dist/kvasm.wasm",
  "dist/roofline.wasm",
  "dist/vocabulary.js",
];

let folder: string;
let project: string;
let packed: { filename: string; size: number; files: { path: string; mode: number }[] };

function npm(args: string[], cwd: string): Promise<Finished> {
  const own = process.env["npm_execpath"];
  // An empty cache: what is not in the tarball cannot come from elsewhere.
  const env = { npm_config_cache: join(folder, "npm-cache") };
  if (own !== undefined && basename(own) === "npm-cli.js") return run(process.execPath, [own, ...args], { cwd, env });
  return run("npm", args, { cwd, env });
}

async function succeeds(finished: Promise<Finished>): Promise<string> {
  const { code, stdout, stderr } = await finished;
  assert.equal(code, 0, `exit ${code}\n${stdout}\n${stderr}`);
  return stdout;
}

const node = (args: string[]) => run(process.execPath, args, { cwd: project });

before(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "kvasm-packaging-")));
  project = join(folder, "project");
  await mkdir(project);
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  [packed] = JSON.parse(await succeeds(npm(["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root)));
  await succeeds(npm(["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", join(folder, packed.filename)], project));
});

after(() => rm(folder, { recursive: true, force: true }));

describe("the tarball", () => {
  it("has the files that it should have and no others", async () => {
    const types = (await readdir(join(root, "bindings"), { recursive: true }))
      .map((path) => path.replaceAll("\\", "/"))
      .filter((path) => path.endsWith(".ts") && !path.startsWith("cli/"))
      .map((path) => `dist/types/${path.replace(/\.ts$/, ".d.ts")}`);
    const docs = (await readdir(join(root, "docs"))).map((name) => `docs/${name}`);
    const stories = ["README.md", "config.json", "model.safetensors.gz"].map((name) => `models/stories/${name}`);
    const files = packed.files.map(({ path }) => path);
    const chunk = /^dist\/[\w-]+-[A-Z0-9]{8}\.js$/;
    const known = new Set([...EXPECTED, ...types, ...docs, ...stories]);
    assert.deepEqual(files.filter((path) => !known.has(path) && !chunk.test(path)), []);
    for (const path of [...EXPECTED, "dist/types/index.d.ts", ...docs, ...stories]) assert.ok(files.includes(path), `${path} is missing`);
  });

  it("depends on nothing", async () => {
    const installed = (await readdir(join(project, "node_modules"))).filter((name) => !name.startsWith("."));
    assert.deepEqual(installed, ["kvasm"]);
    const { dependencies, peerDependencies, optionalDependencies, scripts } = JSON.parse(await readFile(join(project, "node_modules/kvasm/package.json"), "utf8"));
    assert.deepEqual([dependencies, peerDependencies, optionalDependencies], [undefined, undefined, undefined]);
    assert.ok(!Object.keys(scripts).some((name) => /^(pre|post)?install$|^prepare$/.test(name)), "nothing runs at installation");
  });

  it("is small: 9 MiB with the model, modules 64 kB, JavaScript 40 kB without the vocabulary, gzipped", async () => {
    assert.ok(packed.size <= 9 * MIB, `${packed.size} bytes`);
    const gzipped = async (paths: string[]) => {
      let sum = 0;
      for (const path of paths) sum += gzipSync(await readFile(join(project, "node_modules/kvasm", path)), { level: 9 }).length;
      return sum;
    };
    const modules = await gzipped(packed.files.map(({ path }) => path).filter((path) => path.endsWith(".wasm")));
    assert.ok(modules > 0 && modules <= 64_000, `modules: ${modules} bytes`);
    // What any model loads. The readers of other tokenizers (tokenizer.json) and of GGUF are fetched only for a model that needs one.
    const all = [...await reached("dist/index.js", true)].filter((path) => path !== VOCABULARY);
    const library = await gzipped(all.filter((path) => !OTHER_FORMATS.test(path)));
    assert.ok(library > 0 && library <= 40_000, `library: ${library} bytes`);
    assert.ok((await gzipped(all)) <= 60_000, `library with other formats: ${await gzipped(all)} bytes`);
    const command = await gzipped([...await reached("dist/cli.js", true)].filter((path) => path !== VOCABULARY));
    assert.ok(command > 0 && command <= 100_000, `command line, the library included: ${command} bytes`);
  });

  it("loads the vocabulary only when it is needed", async () => {
    assert.ok((await reached("dist/index.js", true)).has(VOCABULARY));
    assert.ok(!(await reached("dist/index.js", false)).has(VOCABULARY));
    assert.ok(!(await reached("dist/cli.js", false)).has(VOCABULARY));
  });

  it("has no file of JavaScript that nothing loads", async () => {
    const scripts = packed.files.map(({ path }) => path).filter((path) => path.endsWith(".js"));
    const all = new Set([...await reached("dist/index.js", true), ...await reached("dist/convert.js", true), ...await reached("dist/cli.js", true)]);
    assert.deepEqual(scripts.filter((path) => !all.has(path)), []);
  });
});

const VOCABULARY = "dist/vocabulary.js";
const OTHER_FORMATS = /^dist\/(huggingface|read)-[A-Z0-9]{8}\.js$/;

/** The files of the installed package that a script imports, itself included; with `lazily`, also by `import()`. */
async function reached(path: string, lazily: boolean, seen = new Set<string>()): Promise<Set<string>> {
  if (seen.has(path)) return seen;
  seen.add(path);
  const text = await readFile(join(project, "node_modules/kvasm", path), "utf8");
  for (const [, dynamic, name] of text.matchAll(/(?:\bfrom|\bimport|(\bimport\())"(\.\/[^"]+\.js)"/g)) {
    if (lazily || dynamic === undefined) await reached(join(dirname(path), name).replaceAll("\\", "/"), lazily, seen);
  }
  return seen;
}

describe("the installed package", () => {
  it("is imported and writes, with the model that is in it", async () => {
    await writeFile(join(project, "generate.mjs"), `
      import { load, KvasmError } from "kvasm";
      const model = await load();
      let text = "";
      for await (const item of model.generate("Once upon a time", { maxTokens: 8, temperature: 0 })) text += item.text;
      const again = [];
      for await (const item of model.generate("Once upon a time", { maxTokens: 8, temperature: 0 })) again.push(item.id);
      const { identical } = model.verify(again);
      let code;
      try { await load("./nothing-here"); } catch (error) { code = error instanceof KvasmError && error.code; }
      model.dispose();
      console.log(JSON.stringify({ text, tokens: again.length, identical, code }));
    `);
    const result = JSON.parse(await succeeds(node(["generate.mjs"])));
    assert.ok(result.text.length > 8 && /^[ -~\n]+$/.test(result.text), result.text);
    assert.deepEqual({ ...result, text: "" }, { text: "", tokens: 8, identical: true, code: "source" });
  });

  it("resolves its other entry points, and no path behind them", async () => {
    await writeFile(join(project, "entries.mjs"), `
      import { readFile } from "node:fs/promises";
      import { fileURLToPath } from "node:url";
      const read = (name) => readFile(fileURLToPath(import.meta.resolve(name)));
      const relaxed = await read("kvasm/kvasm.relaxed.wasm");
      console.log(WebAssembly.validate(await read("kvasm/kvasm.wasm")), relaxed.subarray(0, 4).equals(Buffer.from("\\0asm")), import.meta.resolve("kvasm/package.json").endsWith("kvasm/package.json"));
    `);
    assert.equal(await succeeds(node(["entries.mjs"])), "true true true\n");
    const deep = await node(["--input-type=module", "-e", 'await import("kvasm/dist/cli.js")']);
    assert.notEqual(deep.code, 0);
    assert.match(deep.stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED/);
  });

  it("brings the command line", async () => {
    const command = join(project, "node_modules/kvasm/dist/cli.js");
    assert.ok((packed.files.find(({ path }) => path === "dist/cli.js")!.mode & 0o111) !== 0, "executable");
    assert.match(await readFile(command, "utf8"), /^#!\/usr\/bin\/env node\n/);
    if (process.platform !== "win32") {
      const info = JSON.parse(await succeeds(run(join(project, "node_modules/.bin/kvasm"), ["info", "--json"], { cwd: project })));
      assert.equal(JSON.stringify(info).includes('"n_embd":192'), true, JSON.stringify(info));
    }
    const story = await succeeds(node([command, "generate", "Once upon a time", "--max-tokens", "5", "--temperature", "0"]));
    assert.ok(story.trim().length > 5, story);
    assert.equal((await node([command, "verify", "--ids", "464,2068,7586"])).code, 0);
    const bad = await node([command, "generate", "--max-tokens", "many"]);
    assert.notEqual(bad.code, 0);
    assert.notEqual(bad.stderr, "");
  });
});

describe("its types", () => {
  const consumer = `
    import { load, KvasmError } from "kvasm";
    import type { KvasmErrorCode } from "kvasm";
    async function write(): Promise<string> {
      const model = await load(undefined, { contextLength: 64 });
      using sequence = model.sequence();
      const logits: Float32Array = sequence.prefill([1, 2, 3]);
      let text = "";
      for await (const item of model.generate("Once", { maxTokens: 4, seed: 7 })) {
        const id: number = item.id;
        text += item.text + id + logits.length;
      }
      return text;
    }
    write().catch((error: unknown) => {
      if (KvasmError.is(error)) { const code: KvasmErrorCode = error.code; console.log(code); }
    });
  `;
  const compile = async (file: string, contents: string, resolution: "node16" | "bundler") => {
    await writeFile(join(project, file), contents);
    await writeFile(join(project, "tsconfig.json"), JSON.stringify({
      compilerOptions: {
        target: "ES2022", lib: ["ES2022", "DOM"], module: resolution === "node16" ? "node16" : "esnext", moduleResolution: resolution,
        strict: true, noEmit: true, skipLibCheck: false, types: [],
      },
      files: [file],
    }));
    return run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "."], { cwd: project });
  };

  for (const resolution of ["node16", "bundler"] as const) {
    it(`resolve and check under moduleResolution ${resolution}`, async () => {
      await succeeds(compile("consumer.ts", consumer, resolution));
      const wrong = await compile("wrong.ts", `${consumer}\nload({ contextLength: 64 }, 3);`, resolution);
      assert.notEqual(wrong.code, 0);
      assert.match(wrong.stdout, /wrong\.ts\(\d+,\d+\): error TS/);
    });
  }

  it("satisfy publint", async () => {
    const { messages } = await publint({ pkgDir: join(project, "node_modules/kvasm"), pack: false, strict: true });
    assert.deepEqual(messages, []);
  });

  it("satisfy are-the-types-wrong, for packages of ES modules only", async () => {
    const command = join(root, "node_modules/@arethetypeswrong/cli/dist/index.js");
    // The modules themselves are files to read, not to import.
    const { code, stdout, stderr } = await run(process.execPath, [command, join(folder, packed.filename), "--profile", "esm-only", "--exclude-entrypoints", "./kvasm.wasm", "./kvasm.relaxed.wasm", "--no-color", "--no-emoji"]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /node16 \(from ESM\) +│ OK \(ESM\)/);
    assert.match(stdout, /bundler +│ OK /);
  });
});
