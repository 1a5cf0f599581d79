/**
 * Every install command of npm that a document or a message shows, run from an empty npm cache: `npm ci` in a copy of its folder's manifest
 * and lock file, `npm install PACKAGE` in an empty folder, so that nothing that is installed here helps.
 *
 *   node tests/installs/run.mjs
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { main, npmCommand, root } from "../../scripts/programs.mjs";
import { capture, pool } from "../../scripts/testing/processes.mjs";
import { Results } from "../../scripts/testing/results.mjs";

/** Documents of the repository, by their paths. */
function documents(folder = "") {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory()) return /^(node_modules|build|dist|\..*)$/.test(entry.name) ? [] : documents(`${path}/`);
    return entry.name.endsWith(".md") || (/^(scripts|tests|bench|examples|models)\/.*\.(mjs|ts)$/.test(path) && !path.startsWith("tests/installs/")) ? [path] : [];
  });
}

/** `npm start` and all other scripts of the root begin with it. */
const ROOT = ["ci", "."];

/** Folders like bench/peers/${peer}: all that have a lock file. */
function foldersLike(pattern) {
  const [before] = pattern.split("${");
  return readdirSync(join(root, before)).map((name) => before + name).filter((folder) => existsSync(join(root, folder, "package-lock.json")));
}

/** What is written, [command, what it is for], to the documents it stands in; a loop's variable is filled in. */
export function writtenInstalls() {
  const found = new Map([[ROOT.join(" "), ["README.md"]]]);
  const add = (command, what, path) => found.set(`${command} ${what}`, [...found.get(`${command} ${what}`) ?? [], path]);
  for (const path of documents()) {
    for (const line of readFileSync(join(root, path), "utf8").split("\n")) {
      const loop = /\bfor (\w+) in ([^;]+); do/.exec(line);
      for (const [, folder] of line.matchAll(/\bnpm ci\b[^`#;&|]*?--prefix[= ]([\w./${}-]+)/g)) {
        const folders = folder.includes("${") ? foldersLike(folder)
          : loop !== null && folder.includes(`$${loop[1]}`) ? loop[2].trim().split(/\s+/).map((value) => folder.replace(`$${loop[1]}`, value)) : [folder];
        for (const one of folders) add("ci", one, path);
      }
      // A name in capitals is the reader's to fill in: the package itself, which its own test installs.
      for (const [, name] of line.matchAll(/\bnpm (?:install|i) (?:--?[\w-]+ )*((?:@[\w.-]+\/)?[a-z][\w.-]*@[\w.^~-]+)/g)) add("install", name, path);
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
    await pool(2, [...installs].map(([written, where], i) => async () => {
      const [command, what] = written.split(" ");
      const copy = join(temporary, String(i));
      mkdirSync(copy);
      try {
        if (command === "ci") for (const file of ["package.json", "package-lock.json"]) copyFileSync(join(root, what, file), join(copy, file));
      } catch (error) {
        failures.push(`npm ${written} (${where.join(", ")}): ${error.message}`);
        return;
      }
      const { code, output, seconds } = await capture(...npmCommand([command, ...command === "ci" ? [] : [what], "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", copy, "--cache", join(temporary, `cache-${i}`)]), { timeout: 300_000 });
      rmSync(copy, { recursive: true, force: true });
      rmSync(join(temporary, `cache-${i}`), { recursive: true, force: true });
      if (code === 0) {
        passed++;
        console.log(`  npm ${written}: ${seconds.toFixed(0)} s`);
      } else {
        failures.push(`npm ${written} (${where.join(", ")})`);
        details.push(`npm ${written}: exit ${code}\n${output.slice(-1500)}`);
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
