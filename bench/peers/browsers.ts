/** Pages in which engines are measured: a server for them on the loopback interface, the browsers, and what else the machine does meanwhile. */
import { createReadStream, readFileSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Others } from "../../bindings/bench/measure.ts";

/** From build/bench/, where run.mjs puts the bundle. */
export const root = fileURLToPath(new URL("../../", import.meta.url));
const TYPES: Readonly<Record<string, string>> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" };

/** Serves files and folders, to pages that are isolated from other origins: their clocks are finer. Paths that end in / are folders. */
export async function serve(places: Readonly<Record<string, string>>): Promise<{ origin: string; close(): void }> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    const place = Object.keys(places).find((one) => (one.endsWith("/") ? path.startsWith(one) : path === one));
    const file = place === undefined || path.includes("..") ? undefined : join(places[place]!, path.slice(place.length));
    const stat = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
    if (file === undefined || !stat?.isFile()) return void response.writeHead(404).end();
    response.writeHead(200, {
      "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-length": stat.size, "cache-control": "no-store",
      "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp",
    });
    createReadStream(file, { highWaterMark: 1 << 20 }).on("error", () => response.destroy()).pipe(response);
  });
  await new Promise<void>((resolve, reject) => { server.once("error", reject).listen(0, "127.0.0.1", resolve); });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A page of a browser. */
export interface Page {
  readonly browser: string;
  readonly version: string;
  /** Calls a method of the page's `bench`. */
  call<T>(method: string, ...args: unknown[]): Promise<T>;
  close(): Promise<void>;
}

/** Milliseconds for one call: loading half a gigabyte is one. */
const LIMIT = 600_000;

/** Opens a page in the browsers of these names that this machine has, which tests/browser drives too. */
export async function openPages(names: readonly string[], address: string): Promise<Page[]> {
  // These scripts know where they lie, so they are imported, not bundled.
  const script = (path: string): Promise<any> => import(pathToFileURL(join(root, path)).href);
  const { install } = await script("scripts/ensure.mjs");
  const { findBrowsers } = await script("scripts/testing/runtimes.mjs");
  const driver = join(root, "tests/browser");
  await install(driver);
  const { default: puppeteer } = await import(pathToFileURL(createRequire(join(driver, "package.json")).resolve("puppeteer-core")).href);
  const pages: Page[] = [];
  for (const name of names) {
    const { browser: kind, executablePath } = findBrowsers().find((one: { name: string }) => one.name === name);
    if (executablePath === undefined) continue;
    // Chromium's sandbox does not start for root, as whom containers run.
    const args = kind === "chrome" && process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    const browser = await puppeteer.launch({ browser: kind, executablePath, headless: true, args, timeout: 60_000, protocolTimeout: LIMIT });
    const page = await browser.newPage();
    await page.goto(address);
    await page.waitForFunction("globalThis.bench !== undefined", { timeout: 60_000 });
    pages.push({
      browser: name, version: (await browser.version()).replace(/^\D*/, ""),
      call: (method, ...args) => page.evaluate(`bench[${JSON.stringify(method)}](...${JSON.stringify(args)})`),
      close: () => browser.close(),
    });
  }
  return pages;
}

/**
 * Cores that everything but this process and those it started keeps busy since the last call; null where the system does not tell (Linux
 * does).
 */
export function watchOthersThanBrowsers(): Others {
  let last = ticks();
  return () => {
    const before = last;
    const now = last = ticks();
    if (before === null || now === null) return null;
    const seconds = (now.at - before.at) / 1000;
    return Math.max(0, (now.busy - before.busy - (now.own - before.own)) / 100 / seconds);
  };
}

/** Hundredths of a second that the machine, and our processes, have computed. */
function ticks(): { busy: number; own: number; at: number } | null {
  try {
    // user nice system idle iowait irq softirq steal
    const all = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!.trim().split(/\s+/).slice(1).map(Number);
    const processes = new Map<number, { parent: number; used: number }>();
    for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        // Behind the name in parentheses: state, parent, …; the 12th and 13th are the times in user and system.
        const fields = readFileSync(`/proc/${id}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
        processes.set(Number(id), { parent: Number(fields[1]), used: Number(fields[11]) + Number(fields[12]) });
      } catch {
        // It has ended meanwhile.
      }
    }
    const isOurs = (id: number): boolean => id === process.pid || (processes.has(id) && isOurs(processes.get(id)!.parent));
    let own = 0;
    for (const [id, { used }] of processes) if (isOurs(id)) own += used;
    return { busy: all[0]! + all[1]! + all[2]! + all[5]! + all[6]! + all[7]!, own, at: performance.now() };
  } catch {
    return null;
  }
}
