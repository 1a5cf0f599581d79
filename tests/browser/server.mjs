/** Serves the folders of the repository that test pages need, on the loopback interface. */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const FOLDERS = ["/dist/", "/build/tests/browser/", "/tests/browser/", "/tests/hub/", "/tests/fixtures/", "/models/stories/", "/examples/"];

const TYPES = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json",
  ".wasm": "application/wasm", ".css": "text/css", ".txt": "text/plain; charset=utf-8", ".svg": "image/svg+xml",
};

/** The least that a page needs: no code from strings, nothing from elsewhere. */
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";

/** The page that tries without: its document's policy counts, whatever its scripts' answers say. */
const FORBIDDEN = POLICY.replace(" 'wasm-unsafe-eval'", "");

/** Pages that load a model from a hub, which is another origin, and the worker that does it for them. */
const WITH_HUB = `${POLICY}; connect-src 'self' http://127.0.0.1:*`;

/** Pages that share memory between workers. One of them may make workers of blobs. */
const isIsolated = (path) => path.startsWith("/tests/browser/isolated/") || path === "/dist/threads-worker.js" || path.startsWith("/dist/worker-script");
const ISOLATION = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
const WITH_BLOBS = `${POLICY}; worker-src 'self' blob:`;

const policyOf = (path) => path.endsWith("/isolated/blob.html") ? WITH_BLOBS : path.endsWith("/forbidden.html") ? FORBIDDEN : path.startsWith("/tests/hub/") || path.startsWith("/dist/worker-script") ? WITH_HUB : POLICY;

/** `bytes=a-b` of a file's size, or undefined for the whole; null if it cannot be served. */
function parseRange(header, size) {
  if (header === undefined) return undefined;
  const match = /^bytes=(\d+)-(\d*)$/.exec(header);
  if (match === null) return null;
  const start = Number(match[1]);
  const end = match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start <= end ? { start, end } : null;
}

function serveFile(request, response, others) {
  const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
  const other = Object.keys(others).find((folder) => path.startsWith(folder));
  if (path.includes("..") || path.includes("\\") || !(other ?? FOLDERS.some((folder) => path.startsWith(folder)))) return void response.writeHead(404).end();
  const file = other === undefined ? join(root, path.endsWith("/") ? `${path}index.html` : path) : join(others[other], path.slice(other.length));
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile()) return void response.writeHead(404).end();
  const range = parseRange(request.headers.range, stat.size);
  if (range === null) return void response.writeHead(416, { "content-range": `bytes */${stat.size}` }).end();
  const { start, end } = range ?? { start: 0, end: stat.size - 1 };
  response.writeHead(range === undefined ? 200 : 206, {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "content-length": end - start + 1,
    "accept-ranges": "bytes",
    "cache-control": "no-store",
    "content-security-policy": policyOf(path),
    ...isIsolated(path) && ISOLATION,
    ...(range === undefined ? {} : { "content-range": `bytes ${start}-${end}/${stat.size}` }),
  });
  if (request.method === "HEAD" || stat.size === 0) return void response.end();
  createReadStream(file, { start, end }).on("error", () => response.destroy()).pipe(response);
}

/** Resolves to { origin, close }. `others`: folders outside the repository, by the path under which they are served. */
export async function startServer(others = {}) {
  const server = createServer((request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") return void response.writeHead(405).end();
    serveFile(request, response, others);
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}
