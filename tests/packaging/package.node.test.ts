/** The package as a user gets it: packed, installed into an empty project outside the repository, without a network. */
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { publint } from "publint";
import { after, assert, before, describe, it } from "../support/harness.ts";
import { root, run } from "../support/command.ts";
import { pack, succeeds } from "../support/packed.ts";
import type { Packed } from "../support/packed.ts";

const MIB = 2 ** 20;

/** Every file of the tarball. Chunks have a digest of their contents in their names. */
const EXPECTED = [
  "LICENSE",
  "README.md",
  "package.json",
  "dist/THIRD-PARTY-LICENSES.txt",
  "dist/browser.js",
  "dist/cli.js",
  "dist/convert.browser.js",
  "dist/convert.js",
  "dist/edge.js",
  "dist/hub.browser.js",
  "dist/hub.js",
  "dist/index.cjs",
  "dist/index.js",
  "dist/kvasm.relaxed.wasm",
  "dist/kvasm.threads.relaxed.wasm",
  "dist/kvasm.threads.wasm",
  "dist/kvasm.wasm",
  "dist/roofline.wasm",
  "dist/static.js",
  "dist/stories.js",
  "dist/threads-worker.js",
  "dist/vocabulary.js",
  "dist/worker-host.browser.js",
  "dist/worker-host.js",
  "dist/worker-script.browser.js",
  "dist/worker-script.js",
  "dist/worker.browser.js",
  "dist/worker.js",
  "dist/workerd.js",
];

let folder: string;
let project: string;
let packed: Packed;

const node = (args: string[]) => run(process.execPath, args, { cwd: project });

before(async () => {
  packed = await pack();
  ({ folder, project } = packed);
});

after(() => rm(folder, { recursive: true, force: true }));

describe("the tarball", () => {
  it("has the files that it should have and no others", async () => {
    const types = ["index.d.ts", "index.d.cts", "convert.d.ts", "stories.d.ts", "index.deno.d.ts", "convert.deno.d.ts", "stories.deno.d.ts", "hub.d.ts", "hub.deno.d.ts", "module.d.ts", "worker.d.ts", "worker-host.d.ts", "worker.deno.d.ts", "worker-host.deno.d.ts"].map((name) => `dist/types/${name}`);
    const docs = (await readdir(join(root, "docs"))).map((name) => `docs/${name}`);
    const stories = ["README.md", "config.json", "model.safetensors.gz"].map((name) => `models/stories/${name}`);
    const files = packed.files.map(({ path }) => path);
    const chunk = /^dist\/[\w.-]+-[A-Z0-9]{8}\.js$/;
    const known = new Set([...EXPECTED, ...types, ...docs, ...stories]);
    assert.deepEqual(files.filter((path) => !known.has(path) && !chunk.test(path)), []);
    for (const path of [...EXPECTED, ...types, ...docs, ...stories]) assert.ok(files.includes(path), `${path} is missing`);
  });

  it("depends on nothing", async () => {
    const installed = (await readdir(join(project, "node_modules"))).filter((name) => !name.startsWith("."));
    assert.deepEqual(installed, ["kvasm"]);
    const { dependencies, peerDependencies, optionalDependencies, scripts } = JSON.parse(await readFile(join(project, "node_modules/kvasm/package.json"), "utf8"));
    assert.deepEqual([dependencies, peerDependencies, optionalDependencies], [undefined, undefined, undefined]);
    assert.ok(!Object.keys(scripts).some((name) => /^(pre|post)?install$|^prepare$/.test(name)), "nothing runs at installation");
  });

  it("is small: 10 MiB with the model, modules 112 kB (for one thread, for several, each in two forms), what a browser loads at first 60 kB with a module in it, gzipped", async () => {
    assert.ok(packed.size <= 10 * MIB, `${packed.size} bytes`);
    const gzipped = async (paths: string[]) => {
      let sum = 0;
      for (const path of paths) sum += gzipSync(await readFile(join(project, "node_modules/kvasm", path)), { level: 9 }).length;
      return sum;
    };
    const modules = await gzipped(packed.files.map(({ path }) => path).filter((path) => path.endsWith(".wasm")));
    assert.ok(modules > 0 && modules <= 112_000, `modules: ${modules} bytes`);
    for (const [entry, limit] of [["dist/index.js", 104_000], ["dist/browser.js", 92_000]] as const) {
      // What any model loads, and one of the two modules. Readers of other tokenizers (tokenizer.json), of GGUF and of torch's files, constraints, processors, threads, and what speaks with a hub, are fetched when they are needed.
      const all = [...await reached(entry, true, WHEN_NEEDED)].filter((path) => path !== VOCABULARY);
      assert.equal(all.filter((path) => MODULES.test(path)).length, 2);
      const library = await gzipped(all.filter((path) => !path.includes("relaxed")));
      assert.ok(library > 20_000 && library <= limit, `${entry}: ${library} bytes`);
      const first = await gzipped([...await reached(entry, false)]);
      const module = await gzipped(all.filter((path) => MODULES.test(path) && !path.includes("relaxed")));
      if (entry === "dist/browser.js") assert.ok(first > 0 && module > 0 && first + module <= 60_000, `${entry} and a module: ${first} and ${module} bytes`);
    }
    const command = await gzipped([...await reached("dist/cli.js", true, /kvasm\.threads/)].filter((path) => path !== VOCABULARY && !MODULES.test(path)));
    assert.ok(command > 0 && command <= 170_000, `command line, the library included: ${command} bytes`);
  });

  it("loads the vocabulary, the modules, the readers of other formats, constraints, processors and what speaks with a hub only when they are needed", async () => {
    for (const entry of ["dist/index.js", "dist/browser.js", "dist/cli.js"]) {
      const lazy = [VOCABULARY, ...[...await reached(entry, true)].filter((path) => WHEN_NEEDED.test(path) || MODULES.test(path))];
      assert.equal(lazy.length, 14, lazy.join());
      const first = await reached(entry, false);
      for (const path of lazy) assert.ok(!first.has(path), `${entry}: ${path}`);
    }
  });

  it("has no import of Node's modules in what browsers get, not even one that never runs, and needs no comment for bundlers", async () => {
    const bundle = (entry: string) => build({
      entryPoints: [join(project, "node_modules/kvasm", entry)], bundle: true, write: false, format: "esm", platform: "browser", splitting: true,
      outdir: folder, external: ["./kvasm.wasm", "./kvasm.wasm?module"], logLevel: "silent",
    });
    for (const entry of ["dist/browser.js", "dist/convert.browser.js", "dist/hub.browser.js", "dist/static.js", "dist/stories.js", "dist/workerd.js", "dist/edge.js", "dist/worker.browser.js", "dist/worker-host.browser.js", "dist/worker-script.browser.js"]) {
      assert.deepEqual((await bundle(entry)).warnings, [], entry);
    }
    // The control: what Node gets has them, written out.
    await assert.rejects(bundle("dist/index.js"), /node:zlib/);
  });

  it("names the model's file literally, in kvasm/stories alone", async () => {
    const named = [];
    for (const { path } of packed.files.filter(({ path }) => path.endsWith(".js"))) {
      if ((await readFile(join(project, "node_modules/kvasm", path), "utf8")).includes('new URL("../models/stories/model.safetensors.gz",import.meta.url)')) named.push(path);
    }
    assert.deepEqual(named, ["dist/stories.js"]);
    assert.ok(!(await reached("dist/browser.js", true)).has("dist/stories.js"));
    assert.ok(!(await reached("dist/index.js", false)).has("dist/stories.js"));
  });

  it("has the licence of every package whose code is in it", async () => {
    const text = await readFile(join(project, "node_modules/kvasm/dist/THIRD-PARTY-LICENSES.txt"), "utf8");
    // Told by what the files hold, not by what the build says of itself.
    const traces: Record<string, RegExp> = {
      "gpt-tokenizer": /bytePairRankDecoder/, commander: /Did you mean/, "cli-progress": /stopOnComplete/,
      "@assemblyscript/loader": /Operation requires compiling with --exportTable/, "string-width": /Extended_Pictographic|emoji/i,
    };
    const scripts = await Promise.all(packed.files.filter(({ path }) => path.endsWith(".js")).map(({ path }) => readFile(join(project, "node_modules/kvasm", path), "utf8")));
    const permission = /Permission is hereby granted|Apache License\s+Version 2\.0|Redistribution and use/;
    for (const [name, trace] of [...Object.entries(traces), ["assemblyscript", undefined] as const]) {
      if (trace !== undefined) assert.ok(scripts.some((script) => trace.test(script)), `${name} is not in it: then this test has to know another trace`);
      const version = JSON.parse(await readFile(join(root, "node_modules", name, "package.json"), "utf8")).version;
      const from = text.indexOf(`\n${name} ${version} (`);
      assert.ok(from >= 0, `${name} ${version} is missing`);
      const part = text.slice(from, text.indexOf("-".repeat(80), from) + 1 || undefined);
      assert.match(part, permission, name);
    }
    assert.ok(scripts.some((script) => script.includes("Lu Ll Lt Lm Lo")), "the table of Unicode's categories is not in it");
    assert.match(text, /\nUnicode Character Database \(Unicode-3\.0\)\n\nUNICODE LICENSE V3\n[^]*Permission is hereby granted/);
  });

  it("is not built with a package whose licence is unknown", async () => {
    const { licences } = await import(pathToFileURL(join(root, "scripts/build/licences.mjs")).href);
    const holding = (...names: string[]) => ({ outputs: { "dist/index.js": { inputs: Object.fromEntries(names.map((name) => [`node_modules/${name}/index.js`, { bytesInOutput: 1 }])) } } });
    assert.match(licences([holding("commander")]), /\ncommander [\d.]+ \(MIT\)\n/);
    assert.throws(() => licences([holding("@assemblyscript/loader", "no-such-package")]), /no-such-package/);
  });

  it("starts its worker by an address that bundlers read", async () => {
    for (const [entry, script] of [["dist/worker.js", "./worker-script.js"], ["dist/worker.browser.js", "./worker-script.browser.js"]]) {
      const texts = await Promise.all([...await reached(entry, false)].map((path) => readFile(join(project, "node_modules/kvasm", path), "utf8")));
      assert.ok(texts.some((text) => text.includes(`new Worker(new URL("${script}",import.meta.url),{type:"module"})`)), entry);
    }
  });

  it("has no file of JavaScript that nothing loads", async () => {
    const scripts = packed.files.map(({ path }) => path).filter((path) => path.endsWith(".js"));
    const all = new Set<string>();
    for (const entry of EXPECTED.filter((path) => path.endsWith(".js"))) for (const path of await reached(entry, true)) all.add(path);
    assert.deepEqual(scripts.filter((path) => !all.has(path)), []);
  });
});

const VOCABULARY = "dist/vocabulary.js";
const MODULES = /^dist\/kvasm(\.relaxed)?-[A-Z0-9]{8}\.js$/;
const WHEN_NEEDED = /^dist\/(constrain|processors|side-by-side|team|kvasm\.threads(?:\.relaxed)?|huggingface|slow-files|read|hub-files)-[A-Z0-9]{8}\.js$/;

/** The files of the installed package that a script imports, itself included; with `lazily`, also by `import()`, those of a name like `without` left out. */
async function reached(path: string, lazily: boolean, without = /^$/, seen = new Set<string>()): Promise<Set<string>> {
  if (seen.has(path) || without.test(path)) return seen;
  seen.add(path);
  const text = await readFile(join(project, "node_modules/kvasm", path), "utf8");
  for (const [, dynamic, name] of text.matchAll(/(?:\bfrom|\bimport|(\bimport\())"(\.\/[^"]+\.js)"/g)) {
    if (lazily || dynamic === undefined) await reached(join(dirname(path), name).replaceAll("\\", "/"), lazily, without, seen);
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
  it("satisfy publint", async () => {
    const { messages } = await publint({ pkgDir: join(project, "node_modules/kvasm"), pack: false, strict: true });
    // "./kvasm.wasm?module" is not a file's name but how Next.js asks for kvasm.wasm. The `browser` field is for Parcel, which reads no `exports`.
    const meant = ({ code, path }: (typeof messages)[number]) => code === "FILE_DOES_NOT_EXIST" ? path.includes("./kvasm.wasm?module") : code === "USE_EXPORTS_OR_IMPORTS_BROWSER";
    assert.deepEqual(messages.filter((message) => !meant(message)), []);
  });

  it("satisfy are-the-types-wrong, for packages of ES modules only", async () => {
    const command = join(root, "node_modules/@arethetypeswrong/cli/dist/index.js");
    // The modules themselves are files to read, not to import.
    const { code, stdout, stderr } = await run(process.execPath, [command, join(folder, packed.filename), "--profile", "esm-only", "--exclude-entrypoints", "./kvasm.wasm", "./kvasm.relaxed.wasm", "./kvasm.threads.wasm", "./threads-worker", "--no-color", "--no-emoji"]);
    assert.equal(code, 0, stdout + stderr);
    for (const entry of ["kvasm", "kvasm/convert", "kvasm/stories", "kvasm/static"]) assert.match(stdout, new RegExp(`"${entry}" +│ OK \\(ESM\\) +│ OK `));
  });
});
