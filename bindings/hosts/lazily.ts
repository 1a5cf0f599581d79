import { KvasmError } from "../errors.ts";

/**
 * A part of the package that is loaded when it is needed. Service workers of pages forbid `import()`: there one file holds everything.
 * @throws KvasmError `engine` where it is forbidden; `source` where the part cannot be fetched
 */
export async function lazily<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if (KvasmError.is(cause)) throw cause;
    const name = Object.prototype.toString.call(globalThis);
    if (/ServiceWorker|Worklet/.test(name)) {
      throw new KvasmError("engine", `import(): not allowed here (${name.slice(8, -1)}), and kvasm loads its parts by it. Import "kvasm/static", which holds all of them.`, { argument: "import", cause });
    }
    throw new KvasmError("source", `a part of kvasm cannot be loaded (${String(cause)}). Deploy all files that the bundler wrote beside each other, or import "kvasm/static", which is one file.`, { argument: "import", cause });
  }
}
