/** Starting programs, and scripts: what every script of this folder needs. Plain Node, no dependency. */
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { basename } from "node:path";
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

/** npm and its arguments as a program to start: [command, arguments]. */
export function npmCommand(args) {
  // Under `npm test`, node_modules/.bin comes first in PATH and may hold another npm; the one that runs us says where it is.
  const own = process.env.npm_execpath;
  return own !== undefined && basename(own) === "npm-cli.js" && existsSync(own) ? [process.execPath, [own, ...args]] : ["npm", args];
}

/** npm, also where it is a script that only a shell can start (Windows). */
export function npm(args, options = {}) {
  const [command, all] = npmCommand(args);
  return run(command, all, command === "npm" ? { shell: process.platform === "win32", ...options } : options);
}

/** Runs the main function of the script that was started (not of one imported); an error is one line and exit code 1. */
export function main(url, body) {
  if (process.argv[1] === undefined || pathToFileURL(realpathSync(process.argv[1])).href !== url) return;
  body().catch((error) => {
    console.error(`kvasm: ${error.message}`);
    process.exitCode = 1;
  });
}
