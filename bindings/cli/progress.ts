import { bytes } from "./terminal.ts";

export interface Progress {
  /** For load's onProgress; `total` is undefined where the source does not say. */
  update(state: { loaded: number; total: number | undefined }): void;
  /** Takes the bar off the screen. */
  stop(): void;
}

/** A bar on standard error while a model loads; silent where that is no terminal. */
export async function progress(label: string): Promise<Progress> {
  if (!process.stderr.isTTY) return { update() {}, stop() {} };
  const { default: cliProgress } = await import("cli-progress");
  const bar = new cliProgress.SingleBar({
    format: `${label} [{bar}] {percentage}% of {size}`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false, // SIGINT is the command's own to handle
    barsize: 30,
  }, cliProgress.Presets.shades_classic);
  let started = false;
  return {
    update({ loaded, total }) {
      const whole = total || loaded;
      const size = bytes(whole);
      if (!started) bar.start(whole, loaded, { size });
      else {
        bar.setTotal(whole);
        bar.update(loaded, { size });
      }
      started = true;
    },
    stop() {
      if (started) bar.stop();
      started = false;
    },
  };
}
