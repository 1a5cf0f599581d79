import { shown } from "../../errors.ts";
import type { Forward } from "./forward.ts";
import type { Makers } from "./pickle.ts";
import { CENTRAL, centralEntry, viewOf } from "./zip.ts";
import type { ZipRecord } from "./zip.ts";

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;

/** Numbers of the directory, as the archive's end states them. */
interface Extent {
  readonly records: number;
  readonly size: number;
  readonly offset: number;
}

/**
 * Reads the directory at the end of an archive, and the end itself: they must describe what was found before them, and nothing may
 * follow.
 * @throws KvasmError `weights`
 */
export async function checkDirectory(forward: Forward, records: readonly ZipRecord[], fail: Makers["fail"]): Promise<void> {
  const offset = forward.position;
  for (const { name, size, checksum, offset: at } of records) {
    const bytes = await forward.peek(4);
    const entry = bytes.length >= 4 && viewOf(bytes).getUint32(0, true) === CENTRAL ? await centralEntry(forward) : undefined;
    const isSame = entry !== undefined && entry.name === name && entry.size === size && entry.checksum === checksum && entry.offset === at && entry.method === 0;
    if (!isSame) fail("weights", `${shown(name)} is not in the archive's directory as it is in the archive. The file is damaged, or was changed by another program`, name);
  }
  const found: Extent = { records: records.length, size: forward.position - offset, offset };
  const behind = forward.position;
  const wide = await endOf64(forward, behind, fail);
  const narrow = viewOf(await forward.take(22));
  const stated: Extent = { records: narrow.getUint16(10, true), size: narrow.getUint32(12, true), offset: narrow.getUint32(16, true) };
  const comment = narrow.getUint16(20, true);
  const isEnd = narrow.getUint32(0, true) === END && narrow.getUint32(4, true) === 0 && narrow.getUint16(8, true) === stated.records;
  // A number that is too large for its place has all bits set there.
  const fits = (narrowed: number, most: number, whole: number): boolean => narrowed === whole || (wide !== undefined && narrowed === most);
  const { records: count, size, offset: begin } = wide ?? found;
  const isSame = isEnd && count === found.records && size === found.size && begin === found.offset &&
    fits(stated.records, 0xffff, found.records) && fits(stated.size, 0xffffffff, found.size) && fits(stated.offset, 0xffffffff, found.offset);
  if (!isSame) fail("weights", "the archive's end does not describe the archive. The file is damaged: download it again");
  await forward.take(comment);
  if ((await forward.peek(1)).length > 0) fail("weights", "goes on after the archive's end. Something is appended to it, or it is damaged");
}

/** What the 64-bit form of the end states, which torch writes always; undefined: there is none. */
async function endOf64(forward: Forward, at: number, fail: Makers["fail"]): Promise<Extent | undefined> {
  const start = await forward.peek(4);
  if (start.length < 4 || viewOf(start).getUint32(0, true) !== END_64) return undefined;
  const view = viewOf((await forward.take(56)).slice());
  const number = (where: number): number => Number(view.getBigUint64(where, true));
  const locator = viewOf(await forward.take(20));
  const isWhole = number(4) === 44 && view.getUint32(16, true) === 0 && view.getUint32(20, true) === 0 && number(24) === number(32) &&
    locator.getUint32(0, true) === LOCATOR_64 && locator.getUint32(4, true) === 0 && Number(locator.getBigUint64(8, true)) === at && locator.getUint32(16, true) === 1;
  if (!isWhole) fail("weights", "the archive's end is not as it should be. The file is damaged: download it again");
  return { records: number(32), size: number(40), offset: number(48) };
}
