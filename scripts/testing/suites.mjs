/**
 * Finds the suites and compiles them. Suites import the library from its sources (`bindings/index.ts`, `bindings/convert/index.ts`);
 * here that becomes dist/index.js and dist/convert.js, so that what is tested is what ships. Other modules of bindings/ that a suite tests on its own are bundled.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { hubLibrary, twins } from "../build.mjs";
import { root } from "../programs.mjs";

const FOLDERS = ["tests/suites", "tests/packaging"];
const ONCE = /^tests\/packaging\/|\/oracle[\w-]*\.node\.test\.ts$/;

/**
 * `portable` suites run everywhere; `host` ones (NAME.host.test.ts) in Node, Deno and Bun; `node` ones (NAME.node.test.ts) in
 * every Node; `once` ones in one Node: what they test (the package, the oracle, rules of sources) does not depend on it.
 */
export function findSuites(pattern = "") {
  return FOLDERS.filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder)).map((file) => `${folder}/${file}`))
    .filter((path) => path.endsWith(".test.ts"))
    .map((path) => ({
      name: basename(path, ".test.ts"),
      path,
      kind: ONCE.test(path) ? "once" : path.endsWith(".node.test.ts") ? "node" : path.endsWith(".host.test.ts") ? "host" : "portable",
    }))
    .filter(({ name }) => name.includes(pattern))
    // Those that start programs take longest and go first, so that no core waits for them at the end.
    .sort((a, b) => (a.kind < b.kind || (a.kind === b.kind && a.name < b.name) ? -1 : 1));
}

const SHIPPED = "../../../dist/index.js";
const LIBRARY = new Map([
  [join(root, "bindings/index.ts"), SHIPPED],
  [join(root, "bindings/convert/index.ts"), "../../../dist/convert.js"],
  [join(root, "bindings/entries/hub.ts"), "../../../dist/hub.js"],
  [join(root, "bindings/entries/worker.ts"), "../../../dist/worker.js"],
]);

const library = {
  name: "library",
  setup(build) {
    build.onResolve({ filter: /\/(index|hub|worker)\.ts$/ }, ({ path, resolveDir }) => {
      const shipped = LIBRARY.get(resolve(resolveDir, path));
      return shipped === undefined ? undefined : { path: shipped, external: true };
    });
    // What lies beside dist/index.js is looked for from there, also by a module that a suite has in its own bundle.
    build.onLoad({ filter: /[\\/]bindings[\\/].*\.ts$/ }, ({ path }) => {
      const contents = readFileSync(path, "utf8");
      return { loader: "ts", contents: contents.replaceAll("import.meta.url", `new URL(${JSON.stringify(SHIPPED)}, import.meta.url).href`) };
    });
  },
};

const HOSTS = {
  host: { platform: "node", external: ["esbuild", "typescript", "assemblyscript"], plugins: [library, hubLibrary], extension: "mjs" },
  browser: {
    platform: "browser", plugins: [library, hubLibrary, twins("browser")], extension: "js",
    // The assert package asks these of the Node that it was written for.
    define: { global: "globalThis", process: '{"env":{}}' },
  },
};

/** Compiles a suite to build/tests/KIND/NAME; resolves to the file's path from the root, or rejects with esbuild's words. */
export async function compileSuite({ name, path, kind }, host) {
  const esbuild = await import("esbuild");
  const { extension, ...options } = HOSTS[host];
  const output = `build/tests/${host === "browser" ? host : kind}/${name}.test.${extension}`;
  const { outputFiles } = await esbuild.build({
    absWorkingDir: root, entryPoints: [path], bundle: true, write: false, format: "esm", target: "es2022", sourcemap: "inline",
    sourcesContent: false, logLevel: "silent", loader: { ".wasm": "binary" }, outfile: output, ...options,
  });
  mkdirSync(dirname(join(root, output)), { recursive: true });
  // Renamed into place: another run may be reading the old one.
  const temporary = join(root, `${output}.${process.pid}.tmp`);
  writeFileSync(temporary, outputFiles[0].contents);
  renameSync(temporary, join(root, output));
  return output;
}

/** Removes what was compiled from suites that are no more; `deno task test` would run it. */
export function removeStale() {
  const names = new Set(findSuites().map(({ name }) => name));
  const folder = join(root, "build/tests");
  if (!existsSync(folder)) return;
  for (const file of readdirSync(folder, { recursive: true })) {
    const match = /^([\w.-]+?)\.test\.m?js$/.exec(basename(file));
    if (match !== null && !names.has(match[1])) rmSync(join(folder, file));
  }
}
