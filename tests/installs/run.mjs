/**
 * Every install command that a document shows, run from an empty npm cache: each in a copy of its folder's manifest and lock file, so that
 * nothing that is installed here helps.
 *
 *   node tests/installs/run.mjs
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { main, root } from "../../scripts/programs.mjs";
import { capture, pool } from "../../scripts/testing/processes.mjs";
import { Results } from "../../scripts/testing/results.mjs";

/** Documents of the repository, by their paths. */
function documents(folder = "") {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory()) return /^(node_modules|build|dist|\..*)$/.test(entry.name) ? [] : documents(`${path}/`);
    return entry.name.endsWith(".md") || (/^(scripts|tests|bench)\/.*\.mjs$/.test(path) && !path.startsWith("tests/installs/")) ? [path] : [];
  });
}

/** The folders that `npm ci --prefix FOLDER` is written for, a loop's variable filled in. */
export function writtenInstalls() {
  const found = new Map();
  for (const path of documents()) {
    for (const line of readFileSync(join(root, path), "utf8").split("\n")) {
      const loop = /\bfor (\w+) in ([^;]+); do/.exec(line);
      for (const [, folder] of line.matchAll(/\bnpm ci\b[^`#;&|]*?--prefix[= ]([\w./$-]+)/g)) {
        const folders = loop === null || !folder.includes(`$${loop[1]}`) ? [folder] : loop[2].trim().split(/\s+/).map((value) => folder.replace(`$${loop[1]}`, value));
        for (const one of folders) found.set(one, [...found.get(one) ?? [], path]);
      }
    }
  }
  return found;
}

export async function runInstalls(results) {
  const began = performance.now();
  const temporary = mkdtempSync(join(tmpdir(), "kvasm-installs-"));
  const failures = [];
  const details = [];
  let passed = 0;
  const installs = writtenInstalls();
  try {
    await pool(2, [...installs].map(([folder, where], i) => async () => {
      const copy = join(temporary, String(i));
      mkdirSync(copy);
      try {
        for (const file of ["package.json", "package-lock.json"]) copyFileSync(join(root, folder, file), join(copy, file));
      } catch (error) {
        failures.push(`${folder} (${where.join(", ")}): ${error.message}`);
        return;
      }
      const { code, output, seconds } = await capture("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", copy, "--cache", join(temporary, `cache-${i}`)], { timeout: 300_000 });
      rmSync(copy, { recursive: true, force: true });
      rmSync(join(temporary, `cache-${i}`), { recursive: true, force: true });
      if (code === 0) {
        passed++;
        console.log(`  npm ci --prefix ${folder}: ${seconds.toFixed(0)} s`);
      } else {
        failures.push(`npm ci --prefix ${folder} (${where.join(", ")})`);
        details.push(`${folder}: exit ${code}\n${output.slice(-1500)}`);
      }
    }));
    if (installs.size < 4) failures.push(`only ${installs.size} install commands were found: then they are written in another way`);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  results.add("npm", "installs", { passed, failures, seconds: (performance.now() - began) / 1000, details: details.join("\n") });
}

main(import.meta.url, async () => {
  const results = new Results();
  await runInstalls(results);
  if (results.close() > 0) process.exitCode = 1;
});
