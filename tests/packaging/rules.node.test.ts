/** Rules that sources and manifests keep. */
import { readFile, readdir } from "node:fs/promises";
import { join, posix } from "node:path";
import { assert, describe, it } from "../support/harness.ts";
import { root } from "../support/command.ts";

const read = (path: string) => readFile(join(root, path), "utf8");

async function sources(folder: string, leftOut: RegExp): Promise<{ path: string; text: string }[]> {
  const paths = (await readdir(join(root, folder), { recursive: true })).map((path) => `${folder}/${path.replaceAll("\\", "/")}`);
  return Promise.all(paths.filter((path) => path.endsWith(".ts") && !leftOut.test(path)).map(async (path) => ({ path, text: await read(path) })));
}

/** A source without its comments and strings. */
const code = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, (match) => (match.startsWith("/") ? " " : '""'));

/** Exactly defined by IEEE 754 or by integers: the same bits from every library. */
const EXACT = new Set(["sqrt", "abs", "floor", "ceil", "trunc", "nearest", "min", "max", "fround", "imul", "clz32", "sign", "round"]);

/** Uses of a library's mathematics whose last bits are the library's own: exp, log, pow and their kin, and random numbers. */
function inexact(text: string): string[] {
  const found = [...code(text).matchAll(/\b(?:Native)?Mathf?\s*(?:\.\s*(\w+)|\[)/g)].filter(([, name]) => !EXACT.has(name)).map(([use]) => use);
  // A power of two with whole numbers written out is exact, and folded by the compiler.
  const powers = [...code(text).matchAll(/(\S+)\s*\*\*=?\s*(\S+)/g)].filter(([, base, exponent]) => !(/(^|[^\w.])2$/.test(base) && /^-?\d+\b(?!\.)/.test(exponent))).map(([use]) => use);
  const destructured = [...code(text).matchAll(/\}\s*=\s*(?:Native)?Mathf?\b|=\s*(?:Native)?Mathf?\s*[;,)]/g)].map(([use]) => use);
  return [...found, ...powers, ...destructured];
}

describe("mathematics", () => {
  it("is the module's own: none of AssemblyScript's library", async () => {
    const files = await sources("assembly", /__tests__/);
    assert.ok(files.length > 10);
    for (const { path, text } of files) assert.deepEqual(inexact(text), [], path);
  });

  it("is not the host's in the bindings", async () => {
    // The command line shows figures to people, and its benchmark makes random weights: nothing of that reaches a token.
    const files = await sources("bindings", /^bindings\/cli\//);
    assert.ok(files.length > 5);
    for (const { path, text } of files) assert.deepEqual(inexact(text), [], path);
  });

  it("would be found", () => {
    for (const planted of ["y = Math.exp(x);", "Mathf.log(x)", "NativeMath . pow(a, b)", "Math[name](x)", "x ** 0.5", "x **= 2", "10 ** 3", "const { tanh } = Math;", "const m = Math;", "Math.random()"]) {
      assert.notEqual(inexact(planted).length, 0, planted);
    }
    for (const harmless of ["Math.sqrt(x)", "2 ** 32 - 65536", "2 ** -24", "// Math.exp(x)", "/** x ** y */", 'say("Math.exp")']) assert.deepEqual(inexact(harmless), [], harmless);
  });
});

describe("imports", () => {
  /** What a file imports by a relative path, from the root. */
  const imported = ({ path, text }: { path: string; text: string }): string[] => {
    return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)].map(([, name]) => posix.normalize(posix.join(posix.dirname(path), name)));
  };

  it("of bindings/ stay there, but for the modules, the numbers shared with them, the version and the model's configuration", async () => {
    const files = await sources("bindings", /^$/);
    const outside = files.flatMap((file) => imported(file).filter((path) => !path.startsWith("bindings/")));
    assert.deepEqual([...new Set(outside)].sort(), [
      "assembly/contract.ts", "dist/kvasm.relaxed.wasm", "dist/kvasm.relaxed.wasm?gzip", "dist/kvasm.threads.relaxed.wasm", "dist/kvasm.threads.relaxed.wasm?gzip", "dist/kvasm.threads.wasm", "dist/kvasm.threads.wasm?gzip", "dist/kvasm.wasm", "dist/kvasm.wasm?gzip", "models/stories/config.json", "package.json",
    ]);
  });

  /** Rooms of bindings/, each importing only from those before it. */
  const ROOMS = ["errors.ts", "hosts", "wasm", "threads", "files", "tokenizer", "weights", "hub", "model", "convert"];

  it("between the rooms of bindings/ go downwards", async () => {
    const roomOf = (path: string): number => ROOMS.indexOf(path.split("/")[1]);
    const upwards = (files: readonly { path: string; text: string }[]): string[] =>
      files.flatMap((file) => imported(file).filter((path) => roomOf(file.path) >= 0 && roomOf(path) > roomOf(file.path)).map((path) => `${file.path} → ${path}`));
    const files = await sources("bindings", /^$/);
    for (const room of ROOMS) assert.ok(files.some(({ path }) => path.split("/")[1] === room), room);
    assert.deepEqual(upwards(files), []);
    assert.deepEqual(upwards([{ path: "bindings/tokenizer/x.ts", text: 'import { y } from "../weights/y.ts";' }]), ["bindings/tokenizer/x.ts → bindings/weights/y.ts"]);
  });

  it("of scripts/ go one way", async () => {
    const paths = (await readdir(join(root, "scripts"), { recursive: true })).map((path) => `scripts/${path.replaceAll("\\", "/")}`).filter((path) => path.endsWith(".mjs") && !path.includes("node_modules"));
    const graph = new Map(await Promise.all(paths.map(async (path) => [path, imported({ path, text: await read(path) })] as const)));
    const visit = (path: string, above: readonly string[]): void => {
      assert.ok(!above.includes(path), `${[...above, path].join(" → ")}`);
      for (const next of graph.get(path) ?? []) visit(next, [...above, path]);
    };
    for (const path of paths) visit(path, []);
    assert.ok(graph.get("scripts/ensure.mjs")!.includes("scripts/build.mjs"));
  });
});

describe("manifests", () => {
  const locks = [
    "package-lock.json", "tests/browser/package-lock.json", "tests/runtimes/package-lock.json", "tests/runtimes/arm64/package-lock.json", "tests/llamacpp/package-lock.json",
    "tests/edge/package-lock.json", "tests/bundlers/package-lock.json", "scripts/unicode/package-lock.json",
    "bench/scaling/package-lock.json", "bench/peers/llama.cpp/package-lock.json", "bench/peers/onnxruntime-web/package-lock.json", "bench/peers/transformers/package-lock.json",
    "bench/peers/wllama/package-lock.json",
  ];

  it("with a lock file are these", async () => {
    const found: string[] = [];
    const search = async (folder: string): Promise<void> => {
      for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
        if (entry.name === "package-lock.json") found.push(`${folder}package-lock.json`);
        else if (entry.isDirectory() && !/^(node_modules|build|dist|\..*)$/.test(entry.name)) await search(`${folder}${entry.name}/`);
      }
    };
    await search("");
    assert.deepEqual(found.sort(), [...locks].sort());
  });


  for (const path of locks) {
    it(`${path} names no place to download from, and every package's digest`, async () => {
      const packages: Record<string, { resolved?: string; integrity?: string; version?: string; inBundle?: boolean; link?: boolean }> = JSON.parse(await read(path)).packages;
      const entries = Object.entries(packages).filter(([name]) => name !== "");
      assert.ok(entries.length > 0);
      for (const [name, { resolved, integrity, inBundle }] of entries) {
        assert.equal(resolved, undefined, name);
        assert.ok(inBundle === true || integrity?.startsWith("sha512-"), `${name} has no digest`);
      }
    });
  }

  it("pin every version", async () => {
    for (const path of locks) {
      const { dependencies = {}, devDependencies = {} } = JSON.parse(await read(path.replace("-lock", "")));
      for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
        assert.match(String(version), /^(npm:[\w@/-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/, `${path}: ${name}`);
      }
    }
  });

  it("agree: deno.json exports what package.json exports", async () => {
    const npm = JSON.parse(await read("package.json"));
    const deno = JSON.parse(await read("deno.json"));
    assert.equal(deno.version, npm.version);
    assert.equal(deno.license, npm.license);
    // Deno imports modules by their files' names; "?module" is how Next.js asks for one. One that imports its memory is none that Deno's type check takes.
    const isDenos = (name: string): boolean => !name.includes("?") && name !== "./kvasm.threads.wasm";
    assert.deepEqual(Object.keys(deno.exports), Object.keys(npm.exports).filter(isDenos));
    for (const [key, value] of Object.entries<string | { deno?: string | { default: string }; default: string }>(npm.exports).filter(([name]) => isDenos(name))) {
      const own = typeof value === "string" ? value : value.deno ?? value.default;
      assert.equal(deno.exports[key], typeof own === "string" ? own : own.default, key);
    }
  });

  it("give Deno no more than it needs", async () => {
    const { tasks } = JSON.parse(await read("deno.json"));
    for (const [name, task] of Object.entries<string>(tasks)) {
      assert.doesNotMatch(task, /(^|\s)(-A|--allow-all)\b|--allow-(read|write|net|env|run|ffi|sys)(\s|$)/, name);
    }
  });
});
