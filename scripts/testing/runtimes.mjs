/** How each runtime runs a compiled suite. */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../programs.mjs";

const LINES = { KVASM_TEST_LINES: "1" };

/** Any Node binary. `flags` come before the suite, `prefix` before the binary; `only` restricts it to suites of such names. */
export function node(name, binary, { flags = [], kinds = ["portable", "host"], prefix = [], only, env = {} } = {}) {
  return {
    name,
    kinds,
    only,
    command: (file) => {
      const [command, ...args] = [...prefix, binary, "--expose-gc", "--enable-source-maps", ...flags, file];
      return { command, args, env: { ...LINES, ...env } };
    },
  };
}

/** The Deno of the npm package. A portable suite may read the repository and nothing else. */
export function deno(binary = join(root, "node_modules/deno/bin.cjs")) {
  const permissions = {
    portable: [`--allow-read=${root}`, "--allow-env=KVASM_TEST_LINES"],
    // Suites for Node-like hosts start servers on the loopback interface and programs, and write temporary files.
    host: [`--allow-read=${root},${tmpdir()}`, `--allow-write=${tmpdir()}`, "--allow-net=127.0.0.1,localhost", "--allow-env", "--allow-sys", "--allow-run"],
  };
  return {
    name: "Deno",
    kinds: ["portable", "host"],
    command: (file, kind) => ({
      command: process.execPath,
      args: [binary, "test", "--no-check", "--no-config", "--no-lock", "--no-prompt", "--v8-flags=--expose-gc", ...permissions[kind], file],
      env: { ...LINES, NO_COLOR: "1" },
    }),
  };
}

export function bun(binary) {
  return {
    name: "Bun",
    kinds: ["portable", "host"],
    // Bun's own limit for a test is 5 s.
    command: (file) => ({ command: binary, args: ["test", "--timeout", "120000", `./${file}`], env: { ...LINES, NO_COLOR: "1" } }),
  };
}

const PLACES = {
  chrome: {
    names: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"],
    paths: [
      "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
      "/Applications/Chromium.app/Contents/MacOS/Chromium",
      "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
      "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
    ],
  },
  firefox: {
    names: ["firefox-esr", "firefox"],
    paths: ["/Applications/Firefox.app/Contents/MacOS/firefox", "C:\\Program Files\\Mozilla Firefox\\firefox.exe"],
  },
};

/** The path of an installed program, or undefined. */
export function findProgram(names, paths = []) {
  const extension = process.platform === "win32" ? ".exe" : "";
  const folders = (process.env.PATH ?? "").split(process.platform === "win32" ? ";" : ":");
  return [...names.flatMap((name) => folders.map((folder) => join(folder, name + extension))), ...paths].find((path) => existsSync(path));
}

/** Browsers on this machine: [{ name, browser, executablePath }], executablePath undefined where there is none. */
export function findBrowsers() {
  return Object.entries(PLACES).map(([browser, { names, paths }]) => ({
    name: browser === "chrome" ? "Chromium" : "Firefox",
    browser,
    executablePath: findProgram(names, paths),
  }));
}
