/** The projects of docs/BUNDLERS.md: what each is built and opened with. The lines of configuration are counted in what the page says. */
import { join } from "node:path";
import { root } from "../../scripts/programs.mjs";

/** A program among the project's own packages, which it is started with: Next.js takes its React from beside itself. */
const modules = (path) => join("node_modules", path);
const node = (file) => [process.execPath, file];

/** The programs by the names that the page has for them. */
const vite = (version) => node(modules(`vite${version}/bin/vite.js`));
export const programs = {
  webpack: node(modules("webpack-cli/bin/cli.js")),
  rollup: node(modules("rollup/dist/bin/rollup")),
  esbuild: [join(root, "node_modules/.bin/esbuild")],
  parcel: node(modules("parcel/lib/bin.js")),
  bun: [join(root, "tests/runtimes/node_modules/@oven/bun-linux-x64/bin/bun")],
  deno: node(join(root, "node_modules/deno/bin.cjs")),
  next: node(modules("next/dist/bin/next")),
};

/**
 * `section`: title in the page; `programs`: others than above; `staticWorker`: src/worker.js imports kvasm/static, as the page says;
 * `configured`: the files and command lines that the page has for kvasm's sake, counted; `development`: a server to open as well.
 */
export const PROJECTS = [
  { name: "vite8", section: "Vite 8", programs: { vite: vite(8) }, development: [...vite(8), "--host", "127.0.0.1", "--port"] },
  { name: "vite7", section: "Vite 7", programs: { vite: vite(7) }, staticWorker: true, configured: /exclude: \["kvasm"\]/, development: [...vite(7), "--host", "127.0.0.1", "--port"] },
  { name: "webpack", section: "webpack 5" },
  { name: "rollup", section: "Rollup", configured: /^(mkdir .*)?cp .*node_modules.kvasm|^cp node_modules/ },
  { name: "esbuild", section: "esbuild", configured: /^(mkdir .*)?cp .*node_modules.kvasm|^cp node_modules/ },
  { name: "parcel", section: "Parcel 2", staticWorker: true },
  { name: "bun", section: "Bun", configured: /^(mkdir .*)?cp .*node_modules.kvasm|^cp node_modules/ },
  { name: "deno", section: "Deno", configured: /^(mkdir .*)?cp .*node_modules.kvasm|^cp node_modules/ },
];

/** Sections whose commands are the test. */
export const RUNNERS = [
  // Vitest needs Node 22.12.
  { name: "vitest", section: "Vitest", programs: { vitest: [join(root, "tests/runtimes/node_modules/node24/bin/node"), modules("vitest/vitest.mjs")] } },
  { name: "jest", section: "Jest", programs: { jest: node(modules("jest/bin/jest.js")) } },
];
