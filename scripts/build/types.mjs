/**
 * The declarations of each entry point, one file each: what a person reads to learn the API, and what every resolver finds. Deno takes
 * the path in a declaration as it is written, so a file that needs another names it whole, "./index.d.ts", which TypeScript allows for types.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** Entry points whose types are not index's: the source under bindings/, the file under dist/types/. */
const OTHERS = { "convert/index": "convert.d.ts", "entries/stories": "stories.d.ts", "entries/hub": "hub.d.ts", "entries/worker": "worker.d.ts", "entries/worker-host": "worker-host.d.ts" };

/** `Symbol.dispose` is in the declarations, which an importer's ES2022 does not know. */
const HEAD = '/// <reference lib="esnext.disposable" />\n';

/** Declarations that tsc wrote for each source (in `emitted`), bundled: name under dist/types/ → text. */
export async function bundleTypes(emitted) {
  const { rollup } = await import("rollup");
  const { dts } = await import("rollup-plugin-dts");
  const bundle = async (input, external = new Set()) => {
    const build = await rollup({
      input: join(emitted, `${input}.d.ts`),
      plugins: [{
        name: "sources",
        resolveId: (source, importer) => {
          if (importer === undefined || !source.startsWith(".")) return null;
          const id = resolve(importer, "..", source.replace(/\.ts$/, ".d.ts"));
          return external.has(id) ? { id: "./index.js", external: true } : id;
        },
      }, dts()],
      onwarn: (warning) => { throw new Error(warning.message); },
    });
    const { output } = await build.generate({ format: "es" });
    return { code: typesApart(output[0].code, readFileSync(join(emitted, `${input}.d.ts`), "utf8")), modules: build.watchFiles };
  };

  const index = await bundle("index");
  const shared = new Set(index.modules);
  shared.delete(join(emitted, "index.d.ts"));
  const files = { "index.d.ts": HEAD + index.code };
  for (const [input, file] of Object.entries(OTHERS)) {
    const { code } = await bundle(input, shared);
    files[file] = code.replace(/^(import|export) (?:type )?(\{[^}]*\}) from '\.\/index\.js'/gm, '$1 type $2 from "./index.d.ts"');
    checkShared(file, files[file], files["index.d.ts"]);
  }
  files["index.d.cts"] = files["index.d.ts"];
  // Deno knows `Symbol.dispose`, and JSR takes no package with such a reference.
  for (const name of ["index", "convert", "stories", "hub", "worker", "worker-host"]) {
    files[`${name}.deno.d.ts`] = files[`${name}.d.ts`].replace(HEAD, "").replaceAll('"./index.d.ts"', '"./index.deno.d.ts"');
  }
  files["module.d.ts"] = readFileSync(new URL("./module.d.ts.txt", import.meta.url), "utf8");
  return files;
}

/** What a declaration takes from index's, that has to export. */
function checkShared(file, code, index) {
  const exported = new Set([...index.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names]) => names.split(",").map((name) => name.trim())));
  const missing = [...code.matchAll(/^(?:import|export) type \{([^}]*)\} from "\.\/index\.d\.ts"/gm)].flatMap(([, names]) => names.split(",").map((name) => name.trim().split(" as ")[0])).filter((name) => !exported.has(name));
  if (missing.length > 0) throw new Error(`${file} takes ${missing.join(", ")} from index.d.ts, which does not export them. Export these types from bindings/index.ts as well.`);
}

/** Classes that the entry exports as types alone come out of the bundle as values, which they are not. */
function typesApart(code, entry) {
  const types = new Set([...entry.matchAll(/^export type \{([^}]*)\}/gm)].flatMap(([, names]) => names.split(",").map((name) => name.trim())));
  return code.replace(/^export \{([^}]*)\};/m, (_, names) => {
    const all = names.split(",").map((name) => name.trim());
    const [values, apart] = [all.filter((name) => !types.has(name)), all.filter((name) => types.has(name))];
    return `export { ${values.join(", ")} };` + (apart.length > 0 ? `\nexport type { ${apart.join(", ")} };` : "");
  });
}
