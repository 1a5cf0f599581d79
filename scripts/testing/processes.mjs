/** Runs programs within a time limit and takes what they print. */
import { spawn } from "node:child_process";
import { root } from "../programs.mjs";

/** Resolves to { code, output, seconds }; a program beyond its time is ended and has code "timeout". Never rejects. */
export function capture(command, args, { env = {}, timeout = 300_000, cwd = root } = {}) {
  return new Promise((resolve) => {
    const began = performance.now();
    const pieces = [];
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, timeout);
    const end = (code) => {
      clearTimeout(timer);
      resolve({ code: late ? "timeout" : code, output: Buffer.concat(pieces).toString("utf8"), seconds: (performance.now() - began) / 1000 });
    };
    child.stdout.on("data", (piece) => pieces.push(piece));
    child.stderr.on("data", (piece) => pieces.push(piece));
    child.on("error", (error) => {
      pieces.push(Buffer.from(`${error.message}\n`));
      end("error");
    });
    child.on("close", (code, signal) => end(code ?? signal));
  });
}

/** Runs jobs (functions that return promises) a few at a time, in order. */
export async function pool(width, jobs) {
  const waiting = [...jobs];
  const worker = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await job();
  };
  await Promise.all(Array.from({ length: width }, worker));
}
