/**
 * Installs and builds what is missing or out of date, and nothing else. Every npm script of this package begins here, so that a
 * fresh clone needs no other step; there are no pre-hooks, which `ignore-scripts` would skip. Plain Node, no dependency.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { main, npm, root } from "./programs.mjs";

const json = (path) => JSON.parse(readFileSync(path, "utf8"));

/**
 * Whether a folder's node_modules has what its lock file says. Times of files do not tell (a checkout makes them anew, and
 * `npm install` writes the lock file last), so versions are compared with npm's own record of what it installed.
 */
export function installed(folder) {
  const record = join(folder, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return false;
  const wanted = json(join(folder, "package-lock.json")).packages;
  const found = json(record).packages;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === "") return true;
    // An optional package is left out where it does not fit the platform.
    if (found[path] === undefined) return optional === true;
    return found[path].version === version && existsSync(join(folder, path));
  });
}

/** `npm ci --ignore-scripts` in a folder, if its node_modules is not what its lock file says. */
export async function install(folder = root, args = []) {
  if (installed(folder)) return;
  const began = performance.now();
  console.log(`kvasm: installing the packages of ${join(basename(root), folder === root ? "" : folder.slice(root.length), "package-lock.json")}`);
  await npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", ...args], { cwd: folder });
  console.log(`kvasm: installed in ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

export async function ensure() {
  if (Number(process.versions.node.split(".")[0]) < 20) {
    throw new Error(`kvasm needs Node 20 or newer; this is ${process.version}.`);
  }
  await install();
  // Later: it imports what was installed just now.
  const { build } = await import("./build.mjs");
  await build();
}

main(import.meta.url, ensure);
