import { once } from "node:events";

/**
 * What the commands share about the terminal: text out with back-pressure, a table, numbers as people read them, and one
 * signal for everything that asks a command to stop.
 */

/** The reason of `stopping()`'s signal: the exit code says whether the reader went away or the user pressed Ctrl-C. */
export class Stop extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Aborts on SIGINT (exit code 130, as shells count it) and when nobody reads standard output any more (exit code 0: `kvasm … |
 * head` is no error). A second SIGINT ends the process at once.
 */
export function stopping(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort(new Stop("interrupted", 130)));
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    controller.abort(error.code === "EPIPE" ? new Stop("the reader went away", 0) : error);
  });
  return controller.signal;
}

/** From here on Ctrl-C ends the process at once: for work that does not come back to the event loop until it is done. */
export function interruptible(): void {
  process.removeAllListeners("SIGINT");
}

/** Writes to standard output and waits while its reader is behind. */
export async function write(text: string, signal?: AbortSignal): Promise<void> {
  if (text === "" || signal?.aborted) return;
  if (!process.stdout.write(text)) {
    // An abort while waiting is the caller's to see, at its next step.
    await once(process.stdout, "drain", signal && { signal }).catch(() => {});
  }
}

export async function writeJson(value: unknown, signal?: AbortSignal): Promise<void> {
  await write(JSON.stringify(value, jsonValue, 2) + "\n", signal);
}

function jsonValue(_key: string, value: unknown): unknown {
  return ArrayBuffer.isView(value) ? Array.from(value as Uint32Array) : value;
}

/** Rows of text as columns: the first flush left, the others flush right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join("  ").trimEnd())
    .map((line) => line + "\n").join("");
}

/** 61.2 MiB */
export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20]] as const) {
    if (count >= size) return `${(count / size).toFixed(1)} ${unit}`;
  }
  return `${(count / 1024).toFixed(1)} KiB`;
}

/** Three significant digits: 0.0123, 4.56, 123, 4560. */
export function digits(value: number): string {
  if (!Number.isFinite(value) || value === 0) return "0";
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/** 320 ms, 2.41 s */
export function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
}
