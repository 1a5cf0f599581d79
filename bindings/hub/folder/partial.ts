/**
 * A blob that is on its way: a file of its full length with gaps, and beside it a journal. The journal comes first, with what is going to be
 * downloaded; each range is added to it when its bytes are in the file, so that a killed process leaves a journal that claims too little and
 * never too much. A line that was cut off counts for nothing.
 */
import { copyFile, mkdir, open, rename, rm, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { merged } from "../ranges.ts";
import type { ByteRange, HubFile, PartialBlob } from "../store.ts";
import { ifThere, onDisk, readText, replace, writeText } from "./files.ts";
import { INCOMPLETE, RANGES } from "./layout.ts";

interface Journal {
  readonly text: string;
  readonly ranges: readonly ByteRange[];
}

/** The first line of a journal. */
function intentOf({ size, digest, path }: HubFile): string {
  return JSON.stringify({ kvasm: 1, size, [digest.kind]: digest.hex, path });
}

export function parseJournal(text: string, file: Pick<HubFile, "size">): readonly ByteRange[] | undefined {
  const lines = text.split("\n");
  lines.pop(); // what follows the last line's end was not written to its end
  try {
    const intent = JSON.parse(lines[0]) as { kvasm?: unknown; size?: unknown };
    if (intent.kvasm !== 1 || intent.size !== file.size) return undefined;
  } catch {
    return undefined;
  }
  const ranges = lines.slice(1).map((line) => /^(\d{1,15}) (\d{1,15})$/.exec(line)).filter((match) => match !== null)
    .map(([, begin, end]) => ({ begin: Number(begin), end: Math.min(Number(end), file.size) }));
  return merged(ranges);
}

/** @param isShared another process may still write to the file: then it is copied first */
export async function openPartial(blob: string, file: HubFile, isShared: boolean): Promise<PartialBlob> {
  const [data, journal] = [blob + INCOMPLETE, blob + RANGES];
  await onDisk(data, mkdir(dirname(data), { recursive: true }));
  const before = await journalOf(data, journal, file);
  if (before === undefined) {
    await onDisk(data, rm(data, { force: true }));
    await writeText(journal, `${intentOf(file)}\n`);
  } else if (isShared) {
    await replace(data, (temporary) => copyFile(data, temporary));
    await writeText(journal, before.text);
  }
  const [content, record] = await Promise.all([onDisk(data, open(data, before === undefined ? "w+" : "r+")), onDisk(journal, open(journal, "a"))]);
  return new FolderPartial(blob, file, before?.ranges ?? [], content, record);
}

async function journalOf(data: string, journal: string, file: HubFile): Promise<Journal | undefined> {
  const text = await readText(journal);
  if (text === undefined) return undefined;
  const ranges = parseJournal(text, file);
  const there = await ifThere(data, stat(data));
  if (ranges === undefined || there === undefined) return undefined;
  const whole = ranges.map(({ begin, end }) => ({ begin, end: Math.min(end, there.size) })).filter(({ begin, end }) => begin < end);
  return { text: [intentOf(file), ...whole.map(({ begin, end }) => `${begin} ${end}`), ""].join("\n"), ranges: whole };
}

class FolderPartial implements PartialBlob {
  #ranges: readonly ByteRange[];
  readonly #blob: string;
  readonly #size: number;
  readonly #content: FileHandle;
  readonly #record: FileHandle;
  #isOpen = true;

  constructor(blob: string, file: HubFile, ranges: readonly ByteRange[], content: FileHandle, record: FileHandle) {
    this.#blob = blob;
    this.#size = file.size;
    this.#ranges = ranges;
    this.#content = content;
    this.#record = record;
  }

  get ranges(): readonly ByteRange[] {
    return this.#ranges;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await onDisk(this.#blob, this.#write(offset, bytes), this.#size);
  }

  async #write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) done += (await this.#content.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    // A line in front ends one that was cut off.
    await this.#record.appendFile(`\n${offset} ${offset + bytes.length}\n`);
    this.#ranges = merged([...this.#ranges, { begin: offset, end: offset + bytes.length }]);
  }

  async read(begin: number, end: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - begin);
    return onDisk(this.#blob, (async () => {
      for (let done = 0; done < bytes.length;) {
        const { bytesRead } = await this.#content.read(bytes, done, bytes.length - done, begin + done);
        if (bytesRead === 0) throw new Error("the unfinished file was cut");
        done += bytesRead;
      }
      return bytes;
    })());
  }

  async commit(): Promise<void> {
    // First to the disk, then by its name: after a power cut a file of this name is whole.
    await onDisk(this.#blob, this.#content.sync());
    await this.close();
    await onDisk(this.#blob, rename(this.#blob + INCOMPLETE, this.#blob));
    await onDisk(this.#blob, rm(this.#blob + RANGES, { force: true }));
  }

  async discard(): Promise<void> {
    await this.close();
    for (const end of [RANGES, INCOMPLETE]) await onDisk(this.#blob, rm(this.#blob + end, { force: true }));
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await Promise.allSettled([this.#content.close(), this.#record.close()]);
  }
}
