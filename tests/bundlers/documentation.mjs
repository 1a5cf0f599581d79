/** What docs/BUNDLERS.md and pages like it show: the files of each project and the commands that build it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/programs.mjs";

/** title → { files: { path: text }, commands: [line] } of each section. A block is a file if its first line is a comment with a path. */
export function sections(path = "docs/BUNDLERS.md") {
  const page = readFileSync(join(root, path), "utf8");
  const found = new Map();
  for (const part of page.split(/^## /m).slice(1)) {
    const title = part.slice(0, part.indexOf("\n"));
    const files = {};
    const commands = [];
    for (const [, language, block] of part.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)) {
      const name = /^(?:\/\/|<!--) ([\w./-]+\.\w+)(?: -->)?\n/.exec(block);
      if (name !== null) files[name[1]] = block.slice(name[0].length);
      else if (language === "sh") commands.push(...block.trim().split("\n"));
      else throw new Error(`${path}, ${title}: a block of ${language} that is neither a file nor commands`);
    }
    found.set(title, { files, commands });
  }
  return found;
}
