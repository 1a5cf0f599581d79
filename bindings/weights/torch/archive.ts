import { shown } from "../../errors.ts";
import type { Container } from "./container.ts";
import { crc32 } from "./crc32.ts";
import { checkDirectory } from "./directory.ts";
import type { Forward } from "./forward.ts";
import { nextPickle } from "./pickles.ts";
import type { Value } from "./pickle.ts";
import type { StateDictMakers, Storage } from "./state-dict.ts";
import { CENTRAL, DESCRIPTOR, LOCAL, descriptorWidth, localHeader } from "./zip.ts";
import type { LocalHeader, ZipRecord } from "./zip.ts";

/** Bytes of what is neither pickle nor storage: the byte order, versions, an id. */
const MOST_SMALL = 1 << 16;

/**
 * A zip archive as torch has written it since 1.6: NAME/data.pkl first, then small files and the storages, NAME/data/KEY, nothing
 * compressed. It is read from front to back, a storage's length being known from the pickle; what the archive's directory says at the
 * end must be what was found.
 * @throws KvasmError `weights`, `unsupported`, `source`
 */
export async function openArchive(forward: Forward, makers: StateDictMakers): Promise<Container> {
  const archive = new Archive(forward, makers);
  return { value: await archive.readPickle(), stream: (into) => archive.stream(into) };
}

class Archive {
  readonly #forward: Forward;
  readonly #makers: StateDictMakers;
  /** In the order of the file. */
  readonly #records: ZipRecord[] = [];
  /** The folder that everything is in. */
  #folder = "";
  /** torch can be told to write none: then all of them are 0. */
  #hasChecksums: boolean | undefined;

  constructor(forward: Forward, makers: StateDictMakers) {
    this.#forward = forward;
    this.#makers = makers;
  }

  async readPickle(): Promise<Value> {
    const header = await this.#header();
    const folder = /^[^/]+\/(?=data\.pkl$)/.exec(header.name)?.[0];
    if (folder === undefined) return this.#makers.fail("unsupported", `is a zip file that begins with ${shown(header.name)}; what torch.save writes begins with data.pkl. Save model.state_dict() by torch.save`, header.name);
    this.#folder = folder;
    const { value, bytes } = await nextPickle(this.#forward, this.#makers, header.size);
    const { length } = bytes;
    const sum = crc32(bytes);
    this.#forward.skip(length);
    await this.#finish(header, length, sum);
    return value;
  }

  async stream(into: (storage: Storage) => (bytes: Uint8Array) => void): Promise<void> {
    const missing = new Map([...this.#makers.storages.values()].map((storage) => [`${this.#folder}data/${storage.key}`, storage]));
    const seen = new Set<string>();
    while (await this.#nextSignature() === LOCAL) {
      const header = await this.#header();
      const { name } = header;
      const isStray = !missing.has(name) && name.startsWith(`${this.#folder}data/`);
      if (!name.startsWith(this.#folder) || seen.has(name) || isStray) this.#makers.fail("weights", `has ${shown(name)}, which does not belong there. The file is damaged`, name);
      seen.add(name);
      const storage = missing.get(name);
      if (storage === undefined) {
        await this.#readSmall(header);
      } else {
        missing.delete(name);
        await this.#readStorage(header, storage, into(storage));
      }
    }
    const [absent] = missing.keys();
    if (absent !== undefined) this.#makers.fail("weights", `has no ${shown(absent)}, which holds tensors. The file is damaged: download it again`, absent);
    await checkDirectory(this.#forward, this.#records, this.#makers.fail);
  }

  async #nextSignature(): Promise<number> {
    const bytes = (await this.#forward.peek(4)).slice(0, 4);
    if (bytes.length < 4) this.#forward.cutOff();
    const signature = new DataView(bytes.buffer).getUint32(0, true);
    if (signature === LOCAL || signature === CENTRAL) return signature;
    return this.#damaged();
  }

  async #header(): Promise<LocalHeader> {
    const header = await localHeader(this.#forward);
    if (header === null) return this.#damaged();
    const { name } = header;
    if (header.isEncrypted) this.#makers.fail("unsupported", `${shown(name)} is encrypted`, name);
    if (header.method !== 0) this.#makers.fail("unsupported", `${shown(name)} is compressed, and torch.save stores it as it is. Save it anew`, name);
    return header;
  }

  async #readStorage(header: LocalHeader, storage: Storage, write: (bytes: Uint8Array) => void): Promise<void> {
    const { bytes } = storage;
    if (header.size !== undefined && header.size !== bytes) this.#makers.fail("weights", `${shown(header.name)} has ${header.size} bytes, and its tensors are of a storage of ${bytes}. The file is damaged`, header.name);
    let sum = 0;
    for (let left = bytes; left > 0;) {
      const chunk = await this.#forward.chunk(left);
      sum = crc32(chunk, sum);
      write(chunk);
      left -= chunk.length;
    }
    await this.#finish(header, bytes, sum);
  }

  async #readSmall(header: LocalHeader): Promise<void> {
    const size = header.size ?? await this.#findEnd();
    if (size === undefined || !(size <= MOST_SMALL)) return this.#makers.fail("unsupported", `has ${shown(header.name)}, which torch.save does not write. Save model.state_dict() by torch.save`, header.name);
    const bytes = (await this.#forward.take(size)).slice();
    if (header.name === `${this.#folder}byteorder`) {
      const order = new TextDecoder().decode(bytes);
      if (order === "big") this.#makers.fail("unsupported", "was written on a big-endian machine. Save it on a little-endian one", order);
      if (order !== "little") this.#makers.fail("weights", `gives ${shown(order)} for the order of bytes. The file is damaged`, order);
    }
    await this.#finish(header, size, crc32(bytes));
  }

  /** Of a small file whose length stands behind it: bytes, checksum and length must fit each other. */
  async #findEnd(): Promise<number | undefined> {
    const bytes = await this.#forward.peek(MOST_SMALL + 28);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let size = 0; size <= MOST_SMALL && size + 18 <= bytes.length; size++) {
      if (view.getUint32(size, true) !== DESCRIPTOR || descriptorWidth(view, size + 8, size) === null) continue;
      if (!this.#hasChecksums || view.getUint32(size + 4, true) === crc32(bytes.subarray(0, size))) return size;
    }
    return undefined;
  }

  /** Behind a file's bytes: compares their length and checksum with what is written. */
  async #finish(header: LocalHeader, size: number, sum: number): Promise<void> {
    const { name, offset } = header;
    let stored = header.checksum;
    if (header.size === undefined) {
      const bytes = await this.#forward.peek(28);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const width = bytes.length < 18 || view.getUint32(0, true) !== DESCRIPTOR ? null : descriptorWidth(view, 8, size);
      if (width === null) return this.#damaged(name);
      stored = view.getUint32(4, true);
      this.#forward.skip(8 + 2 * width);
    } else if (header.size !== size) {
      this.#damaged(name);
    }
    this.#hasChecksums ??= stored === sum || stored !== 0;
    if (stored !== (this.#hasChecksums ? sum : 0)) this.#makers.fail("weights", `${shown(name)} does not have the checksum that its bytes give. The file is damaged: download it again`, name);
    this.#records.push({ name, offset, size, checksum: stored });
  }

  #damaged(name = "the archive"): never {
    return this.#makers.fail("weights", `${shown(name)} is not as long as it should be. The file is damaged: download it again`, name);
  }
}
