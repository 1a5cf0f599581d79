/** Runs programs for suites in Node, Deno and Bun. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { repositoryUrl } from "./files.ts";

export interface Finished {
  /** Exit code, or null if a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** Standard input; without it there is none. */
  input?: string | Uint8Array;
  cwd?: string;
  env?: Record<string, string | undefined>;
  /** Called with the process and what it printed when it has printed its first piece of standard output. */
  onOutput?: (child: ChildProcess, output: string) => void;
}

export const root = fileURLToPath(repositoryUrl("./"));

export type Runtime = "node" | "deno" | "bun";

/** The runtime that this suite runs in. */
export const runtime: Runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

/** Runs a program to its end. Rejects only if it cannot be started. */
export function run(command: string, args: readonly string[], { input, cwd = root, env = {}, onOutput }: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    // A suite's own switches are not the program's.
    const { KVASM_TEST_LINES: _, NODE_OPTIONS: __, ...inherited } = process.env;
    const child = spawn(command, args, { cwd, env: { ...inherited, NO_COLOR: "1", ...env }, stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"] });
    const stdout: Uint8Array[] = [];
    const stderr: Uint8Array[] = [];
    child.stdout!.on("data", (piece: Uint8Array) => {
      if (stdout.push(piece) === 1) onOutput?.(child, text(stdout));
    });
    child.stderr!.on("data", (piece: Uint8Array) => void stderr.push(piece));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout: text(stdout), stderr: text(stderr) }));
    if (input !== undefined) {
      child.stdin!.on("error", () => {}); // it may end without reading
      child.stdin!.end(input);
    }
  });
}

function text(pieces: readonly Uint8Array[]): string {
  return Buffer.concat(pieces).toString("utf8");
}

/** Runs a script of the repository, or one elsewhere by its whole path, in the runtime that this suite runs in. */
export function runScript(script: string, args: readonly string[] = [], options: RunOptions = {}): Promise<Finished> {
  const deno = runtime === "deno" ? ["run", "--quiet", "--no-lock", "--no-prompt", "-A"] : [];
  return run(process.execPath, [...deno, resolve(root, script), ...args], options);
}

/** The command line as it was built: kvasm ARGS. */
export function kvasm(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return runScript("dist/cli.js", args, options);
}
