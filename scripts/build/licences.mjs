/** The licences of what dist/ holds of others' code, from what the bundler says that it took. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "../programs.mjs";

/** Its standard library is compiled into the WebAssembly modules. */
const COMPILED = "assemblyscript";

/** Packages without a file of their licence, to the package of the same project that has it. */
const ELSEWHERE = { "@assemblyscript/loader": "assemblyscript" };

/** Tables of our own that are made from others' data, by where they lie. */
const DATA = [{ folder: "bindings/tokenizer/unicode/", name: "Unicode Character Database (Unicode-3.0)", licence: "scripts/build/unicode-licence.txt" }];

/** Sources of which something is in what was built; what esbuild read and left out is not. */
function sourcesOf(metafiles) {
  const inputs = metafiles.flatMap(({ outputs }) => Object.values(outputs)).flatMap(({ inputs }) => Object.entries(inputs));
  return inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path);
}

/** Names of the packages of which something is in what was built, by esbuild's metafiles. */
export function packagesOf(metafiles) {
  const names = sourcesOf(metafiles).map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}

/** One text: each package's name, version, licence, and the licence's words; data likewise. A package without them is an error. */
export function licences(metafiles) {
  const parts = [COMPILED, ...packagesOf(metafiles)].map((name) => {
    const folder = join(root, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const texts = join(root, "node_modules", ELSEWHERE[name] ?? name);
    const files = readdirSync(texts).filter((file) => /^(licen[cs]e|notice|copying)([.-][\w.-]+)?$/i.test(file)).sort();
    if (!files.some((file) => !/^notice/i.test(file)) || typeof license !== "string") throw new Error(`${name} ${version} is bundled, and its package has no file of its licence`);
    const words = files.map((file) => readFileSync(join(texts, file), "utf8").replaceAll("\r\n", "\n").trim());
    return `${name} ${version} (${license})\n\n${words.join("\n\n")}\n`;
  });
  const sources = sourcesOf(metafiles);
  for (const { folder, name, licence } of DATA) {
    if (sources.some((path) => path.startsWith(folder))) parts.push(`${name}\n\n${readFileSync(join(root, licence), "utf8")}`);
  }
  const line = "-".repeat(80);
  return `kvasm holds code and data of these. Its own licence is in LICENSE.\n\n${parts.map((part) => `${line}\n${part}`).join("\n")}`;
}

export const LICENCES = "dist/THIRD-PARTY-LICENSES.txt";
