/** The packed package in applications of other kinds: TypeScript's settings, CommonJS, node --test, deno check. */
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, assert, before, describe, it } from "../support/harness.ts";
import { root, run } from "../support/command.ts";
import { pack, succeeds } from "../support/packed.ts";

let folder: string;
let project: string;

before(async () => {
  ({ folder, project } = await pack());
  await mkdir(join(project, "node_modules/@types"));
  for (const name of ["@types/node", "undici-types"]) await cp(join(root, "node_modules", name), join(project, "node_modules", name), { recursive: true });
});

after(() => rm(folder, { recursive: true, force: true }));

/** All of what an application imports, used. */
const consumer = `
  import { load, KvasmError } from "kvasm";
  import type { KvasmErrorCode, Model, ModelBytes } from "kvasm";
  import { convertFiles } from "kvasm/convert";
  import stories from "kvasm/stories";
  import { load as loadStatic } from "kvasm/static";
  import wasm from "kvasm/kvasm.wasm";
  async function write(source: ModelBytes | undefined): Promise<string> {
    const model: Model = await load(source, { contextLength: 64 });
    using sequence = model.sequence();
    const logits: Float32Array = sequence.prefill([1, 2, 3]);
    let text = "";
    for await (const item of model.generate("Once", { maxTokens: 4, seed: 7 })) {
      const id: number = item.id;
      text += item.text + id + logits.length;
    }
    for await (const file of convertFiles(stories, { weights: "q4" })) text += file.name;
    (await loadStatic(stories, { wasm })).dispose();
    return text;
  }
  write(stories).catch((error: unknown) => {
    if (KvasmError.is(error)) { const code: KvasmErrorCode = error.code; text(code); }
  });
  function text(code: string): string { return code; }
`;

const STRICT = { target: "ES2022", strict: true, exactOptionalPropertyTypes: true, isolatedModules: true, noEmit: true, skipLibCheck: false };
const tsc = join(root, "node_modules/typescript/bin/tsc");
const tsc6 = join(root, "node_modules/@typescript/typescript6/bin/tsc6");

async function check(contents: string, options: object, compiler = tsc) {
  await writeFile(join(project, "consumer.ts"), contents);
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: { ...STRICT, ...options }, files: ["consumer.ts"] }));
  return run(process.execPath, [compiler, "-p", "."], { cwd: project });
}

describe("TypeScript", () => {
  const environments = {
    "a page": { lib: ["ES2022", "DOM"], types: [] },
    "a worker": { lib: ["ES2022", "WebWorker"], types: [] },
    // @types/node's own declarations do not hold under exactOptionalPropertyTypes.
    "Node, without the DOM": { lib: ["ES2022"], types: ["node"], exactOptionalPropertyTypes: false },
  };
  const resolutions = { node16: { module: "node16" }, nodenext: { module: "nodenext" }, bundler: { module: "esnext", moduleResolution: "bundler" } };
  for (const [environment, libraries] of Object.entries(environments)) {
    for (const [resolution, modules] of Object.entries(resolutions)) {
      it(`checks under ${resolution} for ${environment}`, async () => {
        await succeeds(check(consumer, { ...modules, ...libraries }));
        const wrong = await check(`${consumer}\nload({ contextLength: 64 }, 3);`, { ...modules, ...libraries });
        assert.match(wrong.stdout, /consumer\.ts\(\d+,\d+\): error TS/);
      });
    }
  }

  it("says that classes which cannot be made are types alone", async () => {
    const wrong = await check('import { Model } from "kvasm"; new Model();', { module: "nodenext", lib: ["ES2022", "DOM"], types: [] });
    assert.match(wrong.stdout, /error TS1362/);
  });

  it("finds the main entry under node10, of TypeScript before 7", async () => {
    const main = 'import { load } from "kvasm"; load().then((model) => model.dispose());';
    await succeeds(check(main, { module: "commonjs", moduleResolution: "node10", ignoreDeprecations: "6.0", lib: ["ES2022", "DOM"], types: [], isolatedModules: false }, tsc6));
  });
});

describe("CommonJS", () => {
  const script = (require: string): string => `
    const { load, KvasmError } = ${require};
    (async () => {
      const imported = await import("kvasm");
      const model = await load();
      let text = "";
      for await (const item of model.generate("Once upon a time", { maxTokens: 8, temperature: 0 })) text += item.text;
      model.dispose();
      console.log(JSON.stringify({ text, one: imported.KvasmError === KvasmError }));
    })();
  `;

  it("has the same engine by require as by import, where Node requires ES modules", async () => {
    await writeFile(join(project, "require.cjs"), script('require("kvasm")'));
    const { text, one } = JSON.parse(await succeeds(run(process.execPath, ["require.cjs"], { cwd: project })));
    const [major, minor] = process.versions.node.split(".").map(Number);
    assert.equal(one, major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19));
    assert.ok(text.length > 8, text);
  });

  it("is one file for tools that know no ES modules", async () => {
    await writeFile(join(project, "file.cjs"), script('require("./node_modules/kvasm/dist/index.cjs")'));
    const { text } = JSON.parse(await succeeds(run(process.execPath, ["file.cjs"], { cwd: project })));
    assert.ok(text.length > 8, text);
    assert.doesNotMatch(await readFile(join(project, "node_modules/kvasm/dist/index.cjs"), "utf8"), /[^.\w]import\("/);
  });
});

describe("node --test", () => {
  it("imports it", async () => {
    await writeFile(join(project, "kvasm.test.mjs"), `
      import assert from "node:assert";
      import { it } from "node:test";
      import { load } from "kvasm";
      it("loads", async () => assert.equal((await load()).config.n_embd, 192));
    `);
    const output = await succeeds(run(process.execPath, ["--test", "kvasm.test.mjs"], { cwd: project, env: { NODE_TEST_CONTEXT: undefined } }));
    assert.match(output, /# pass 1|pass 1/);
  });
});

describe("Deno", () => {
  it("checks a program that has it from an import map", async () => {
    const dist = "./node_modules/kvasm/dist";
    await writeFile(join(project, "deno.json"), JSON.stringify({
      imports: { kvasm: `${dist}/index.js`, "kvasm/convert": `${dist}/convert.js`, "kvasm/stories": `${dist}/stories.js`, "kvasm/static": `${dist}/static.js` },
      nodeModulesDir: "none",
    }));
    await mkdir(join(project, "deno"), { recursive: true });
    await rm(join(project, "package.json"));
    await writeFile(join(project, "deno/main.ts"), consumer.replace('import wasm from "kvasm/kvasm.wasm";', "").replace("{ wasm }", "{}"));
    const deno = (file: string) => run(process.execPath, [join(root, "node_modules/deno/bin.cjs"), "check", "--no-lock", file], { cwd: project });
    await succeeds(deno("deno/main.ts"));
    await writeFile(join(project, "deno/wrong.ts"), 'import { load } from "kvasm"; load({ contextLength: 64 }, 3);');
    const wrong = await deno("deno/wrong.ts");
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.stderr, /TS\d+/);
  });
});
