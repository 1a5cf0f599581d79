import type { Progress } from "../weights/types.ts";

/** Milliseconds between two reports, and those over which the rate is taken. */
const EVERY = 100;
const WINDOW = 5000;

/** Bytes of a download, as `onProgress` gets them. */
export class Meter {
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  readonly #files = new Map<string, { size: number; here: number; isDone: boolean }>();
  /** Bytes that came over the network, by time. */
  readonly #recent: { at: number; bytes: number }[] = [];
  #last = -Infinity;

  constructor(onProgress: ((progress: Progress) => void) | undefined) {
    this.#onProgress = onProgress;
  }

  /** A file that is wanted. */
  expect(path: string, size: number): void {
    if (!this.#files.has(path)) this.#files.set(path, { size, here: 0, isDone: false });
  }

  /** Bytes of it that are here, however they came. */
  has(path: string, bytes: number): void {
    this.#files.get(path)!.here = bytes;
    this.#report(path, false);
  }

  received(path: string, bytes: number): void {
    const now = performance.now();
    this.#files.get(path)!.here += bytes;
    const last = this.#recent.at(-1);
    if (last !== undefined && now - last.at < EVERY) last.bytes += bytes;
    else this.#recent.push({ at: now, bytes });
    while (now - this.#recent[0].at > WINDOW) this.#recent.shift();
    this.#report(path, false);
  }

  done(path: string): void {
    const file = this.#files.get(path)!;
    file.here = file.size;
    file.isDone = true;
    this.#report(path, true);
  }

  #report(path: string, now: boolean): void {
    if (this.#onProgress === undefined) return;
    const time = performance.now();
    if (!now && time - this.#last < EVERY) return;
    this.#last = time;
    const files = [...this.#files.values()];
    const [loaded, total] = [files.reduce((sum, { here }) => sum + here, 0), files.reduce((sum, { size }) => sum + size, 0)];
    const seconds = this.#recent.length === 0 ? 0 : Math.max(time - this.#recent[0].at, EVERY) / 1000;
    const bytesPerSecond = seconds === 0 ? 0 : this.#recent.reduce((sum, { bytes }) => sum + bytes, 0) / seconds;
    this.#onProgress({
      loaded, total, file: path,
      download: {
        files: files.length, filesDone: files.filter(({ isDone }) => isDone).length, bytesPerSecond,
        secondsLeft: bytesPerSecond === 0 ? undefined : (total - loaded) / bytesPerSecond,
      },
    });
  }
}
