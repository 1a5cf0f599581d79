import type { Progress as State } from "../index.ts";
import { bytes } from "./terminal.ts";

export interface Progress {
  /** For load's onProgress; `total` is undefined where the source does not say. */
  update(state: Pick<State, "loaded" | "total" | "download">): void;
  /** Takes the bar off the screen. */
  stop(): void;
}

/** A bar on standard error while a model loads; silent where that is no terminal. */
export async function progress(label: string): Promise<Progress> {
  if (!process.stderr.isTTY) return { update() {}, stop() {} };
  const { default: cliProgress } = await import("cli-progress");
  const bar = new cliProgress.SingleBar({
    format: "{label} [{bar}] {percentage}% of {size}{more}",
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false, // SIGINT is the command's own to handle
    barsize: 30,
  }, cliProgress.Presets.shades_classic);
  let started = false;
  return {
    update({ loaded, total, download }) {
      const whole = total || loaded;
      const shown = { size: bytes(whole), label: download === undefined ? label : "downloading", more: download === undefined ? "" : more(download) };
      if (!started) bar.start(whole, loaded, shown);
      else {
        bar.setTotal(whole);
        bar.update(loaded, shown);
      }
      started = true;
    },
    stop() {
      if (started) bar.stop();
      started = false;
    },
  };
}

/** Files, rate and time left. */
function more({ files, filesDone, bytesPerSecond, secondsLeft }: NonNullable<State["download"]>): string {
  const rate = bytesPerSecond > 0 ? `, ${bytes(Math.round(bytesPerSecond))}/s` : "";
  const left = secondsLeft === undefined || secondsLeft < 1 ? "" : `, ${secondsLeft < 120 ? `${Math.round(secondsLeft)} s` : `${Math.round(secondsLeft / 60)} min`} left`;
  return `, ${filesDone} of ${files} files${rate}${left}`;
}

/** Sentences, one a line. */
export function notes(sentences: readonly string[]): string {
  return sentences.map((sentence) => `${sentence}\n`).join("");
}
