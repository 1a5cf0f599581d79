/**
 * The packed package in each bundler, as docs/BUNDLERS.md shows it: built, served, and opened in the browsers that are installed. Prints how
 * many lines of configuration each needed.
 *
 *   node tests/bundlers/run.mjs [NAME]     NAME: part of a project's name (projects.mjs), or next
 */
import { join } from "node:path";
import { rmSync } from "node:fs";
import { ensure, install } from "../../scripts/ensure.mjs";
import { main, root } from "../../scripts/programs.mjs";
import { Results } from "../../scripts/testing/results.mjs";
import { findBrowsers } from "../../scripts/testing/runtimes.mjs";
import { sections } from "./documentation.mjs";
import { Browsers } from "./browsers.mjs";
import { runNext } from "./next.mjs";
import { build, makeProject, run, unpack } from "./project.mjs";
import { PROJECTS, RUNNERS } from "./projects.mjs";
import { serve } from "./serve.mjs";
import { startServer } from "./server-process.mjs";

export const installBundlers = () => install(join(root, "tests/bundlers"));

const IDS = ["page", "connected", "worker", "service-worker"];

/** Adds a row for each project to `results`; `browsers` as findBrowsers gives them. */
export async function runBundlers(results, browsers, pattern = "") {
  const documented = sections();
  const shared = documented.get("The program").files;
  const unpacked = await unpack();
  const opened = await Browsers.launch(browsers);
  try {
    const expected = await story();
    for (const project of PROJECTS.filter(({ name }) => name.includes(pattern))) {
      await measured(results, project.name, (test) => runProject(project, { documented, shared, unpacked, opened, expected, test }));
    }
    for (const { name, section, programs } of RUNNERS.filter(({ name }) => name.includes(pattern))) {
      const { files, commands } = documented.get(section);
      await measured(results, name, async (test) => {
        const folder = await makeProject(unpacked, name, { "src/story.js": shared["src/story.js"], ...files });
        await test("passes", () => run(folder, commands, programs));
      });
    }
    if ("next".includes(pattern) || pattern.startsWith("next")) {
      for (const compiler of ["turbopack", "webpack"]) {
        await measured(results, `next, ${compiler}`, (test) => runNext(compiler, { files: { "src/story.js": shared["src/story.js"], ...documented.get("Next.js").files }, unpacked, opened, expected, test }));
      }
    }
  } finally {
    await opened.close();
    rmSync(unpacked, { recursive: true, force: true });
  }
}

async function runProject({ name, section, programs, staticWorker, configured, development }, { documented, shared, unpacked, opened, expected, test }) {
  const { files, commands } = documented.get(section);
  const page = shared["index.html"].replace("./src/main.js", "./main.js");
  const worker = staticWorker ? shared["src/worker.js"].replace('"kvasm"', '"kvasm/static"') : shared["src/worker.js"];
  const folder = await makeProject(unpacked, name, { ...shared, "src/worker.js": worker, ...files });
  const lines = [...commands, ...Object.values(files).flatMap((text) => text.split("\n"))].filter((line) => configured?.test(line));
  if (configured !== undefined && lines.length === 0) throw new Error(`docs/BUNDLERS.md, ${section}, has no line like ${configured}`);
  console.log(`  ${name}: ${lines.length} lines of configuration`);

  if (!(await test("builds", () => build(folder, commands, programs)))) return;
  const pages = { "/stories/": join(folder, "node_modules/kvasm/models/stories"), "/": join(folder, "dist") };
  const server = await serve(pages, { "/": page });
  try {
    for (const browser of opened.all) {
      await test(`writes in ${browser.name}: page, connect, worker, service worker`, async () => {
        server.missing.length = 0;
        const texts = await browser.read(`${server.origin}/`, IDS, shared["register.js"]);
        for (const id of IDS) if (texts[id] !== expected) throw new Error(`${id}: ${JSON.stringify(texts[id])} instead of ${JSON.stringify(expected)}`);
        // The service worker loads a folder, which is looked through; the embedded model asks for its own file alone.
        const guessed = server.missing.filter((path) => !path.startsWith("/stories/"));
        if (guessed.length > 0) throw new Error(`asked for ${guessed.join(", ")}`);
      });
    }
  } finally {
    await server.close();
  }
  if (development !== undefined) await runDevelopment(development, folder, { opened, expected, test });
}

async function runDevelopment(command, folder, { opened, expected, test }) {
  const server = await startServer(command, folder);
  try {
    for (const browser of opened.all) {
      await test(`writes in ${browser.name} from the development server: page, connect, worker`, async () => {
        const texts = await browser.read(`${server.origin}/`, ["page", "connected", "worker"]);
        for (const id of ["page", "connected", "worker"]) if (texts[id] !== expected) throw new Error(`${id}: ${JSON.stringify(texts[id])} instead of ${JSON.stringify(expected)}`);
      });
    }
  } finally {
    await server.close();
  }
}

/** What every one of them has to write. */
export async function story() {
  const { load } = await import("../../dist/index.js");
  const model = await load();
  let text = "";
  for await (const item of model.generate("Once upon a time", { maxTokens: 20, temperature: 0 })) text += item.text;
  model.dispose();
  return text;
}

/** Runs a project's tests and adds its row. */
export async function measured(results, name, body, kind = "bundlers") {
  const began = performance.now();
  const failures = [];
  const details = [];
  let passed = 0;
  const test = async (what, action) => {
    try {
      await action();
      passed++;
      return true;
    } catch (error) {
      failures.push(what);
      details.push(`${what}: ${error.message}`);
      return false;
    }
  };
  try {
    await body(test);
  } catch (error) {
    failures.push("(the project)");
    details.push(error.stack);
  }
  results.add(kind, name, { passed, failures, seconds: (performance.now() - began) / 1000, details: details.join("\n") });
}

main(import.meta.url, async () => {
  await ensure();
  await Promise.all([installBundlers(), install(join(root, "tests/browser")), install(join(root, "tests/runtimes"))]);
  const results = new Results();
  await runBundlers(results, findBrowsers().filter(({ executablePath }) => executablePath !== undefined), process.argv[2]);
  if (results.close() > 0) process.exitCode = 1;
});
