/**
 * Installs and builds what is missing or out of date, and nothing else. Every npm script of this package begins here, so that a
 * fresh clone needs no other step; there are no pre-hooks, which `ignore-scripts` would skip. Plain Node, no dependency.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const root = fileURLToPath(new URL("../", import.meta.url));

/** A program with its output shown; rejects unless it exits with 0. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], ...options });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${basename(command)} ${args.join(" ")} ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

/** npm, also where it is a script that only a shell can start (Windows). */
export function npm(args, options = {}) {
  // Under `npm test`, node_modules/.bin comes first in PATH and may hold another npm; the one that runs us says where it is.
  const own = process.env.npm_execpath;
  if (own !== undefined && basename(own) === "npm-cli.js" && existsSync(own)) return run(process.execPath, [own, ...args], options);
  return run("npm", args, { shell: process.platform === "win32", ...options });
}

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

/** `npm ci --ignore-scripts` (or another command of npm) in a folder, if its node_modules is not what its lock file says. */
export async function install(folder = root, args = [], command = "ci") {
  if (installed(folder)) return;
  const began = performance.now();
  console.log(`kvasm: installing the packages of ${join(basename(root), folder === root ? "" : folder.slice(root.length), "package-lock.json")}`);
  await npm([command, "--ignore-scripts", "--no-audit", "--no-fund", ...args], { cwd: folder });
  console.log(`kvasm: installed in ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

export async function ensure() {
  if (Number(process.versions.node.split(".")[0]) < 20) {
    throw new Error(`kvasm needs Node 20 or newer; this is ${process.version}.`);
  }
  await install();
  const { build } = await import("./build.mjs");
  await build();
}

/** Runs the main function of the script that was started (not of one imported); an error is one line and exit code 1. */
export function main(url, body) {
  if (process.argv[1] === undefined || pathToFileURL(realpathSync(process.argv[1])).href !== url) return;
  body().catch((error) => {
    console.error(`kvasm: ${error.message}`);
    process.exitCode = 1;
  });
}

main(import.meta.url, ensure);
