/** What goes wrong in a browser's storage, as errors that say what to do. */
import { KvasmError } from "../../errors.ts";
import type { Space } from "../store.ts";
import type { Shelf } from "./shelf.ts";

export const SPACE_CURE = "Remove models that are not needed, or let the visitor free some.";

/** What the browser says of the origin's storage. */
export async function originSpace(): Promise<Space> {
  try {
    const { storage } = navigator;
    const [{ quota, usage }, isPersistent] = await Promise.all([storage.estimate(), storage.persisted?.()]);
    return { free: quota === undefined || usage === undefined ? undefined : Math.max(0, quota - usage), quota, isPersistent };
  } catch {
    return { free: undefined };
  }
}

/** A shelf whose failures are KvasmErrors `space` and `source`. */
export function guarded(shelf: Shelf): Shelf {
  const { description } = shelf;
  const on = async <T>(path: string, work: Promise<T>, bytes = 0): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      if (KvasmError.is(cause)) throw cause;
      const { name, message } = Object(cause) as Partial<Error>;
      if (name === "QuotaExceededError") {
        const { free } = await originSpace();
        throw new KvasmError("space", `${path}: ${bytes} bytes more do not fit into ${description}${free === undefined ? "" : `, ${free} are free`}. ${SPACE_CURE} What was downloaded stays.`, { argument: "source", value: bytes, cause });
      }
      throw new KvasmError("source", `${path}: ${description} failed (${message ?? String(cause)}). Load the model again.`, { argument: "source", cause });
    }
  };
  return {
    description,
    get: (path) => on(path, shelf.get(path)),
    put: (path, bytes) => on(path, shelf.put(path, bytes), bytes.length),
    remove: (path) => on(path, shelf.remove(path)),
    list: (folder) => on(folder, shelf.list(folder)),
    all: (folder) => on(folder, shelf.all(folder)),
  };
}
