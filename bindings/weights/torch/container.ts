import type { Value } from "./pickle.ts";
import type { Storage } from "./state-dict.ts";

/** A file that torch.save has written, open behind its pickle. */
export interface Container {
  /** What was saved. */
  readonly value: Value;
  /**
   * Gives the bytes of every storage, one storage after the other, and reads the file to its end: what it says of itself there is
   * checked too.
   * @param into where the bytes of a storage go
   * @throws KvasmError `weights`, `unsupported`, `source`
   */
  stream(into: (storage: Storage) => (bytes: Uint8Array) => void): Promise<void>;
}
