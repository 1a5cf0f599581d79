/** Any static server will do; this one needs nothing: npm run example browser, or node examples/browser/serve.mjs [port] */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const OPEN = ["/examples/browser/", "/dist/", "/models/stories/"];
const TYPES = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
  ".json": "application/json", ".wasm": "application/wasm",
};

const server = createServer(async (request, response) => {
  const fail = (code, text) => response.writeHead(code, { "content-type": "text/plain" }).end(text);
  let path;
  try {
    path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
  } catch {
    return fail(400, "bad address");
  }
  if (path === "/") return response.writeHead(302, { location: "/examples/browser/" }).end();
  if (path.endsWith("/")) path += "index.html";
  // What the page needs and nothing else of the folder; a path that climbs out of it is none of these.
  if (!OPEN.some((folder) => normalize(path).replaceAll("\\", "/").startsWith(folder))) return fail(404, "not found");
  const file = await stat(root + path).catch(() => null);
  if (!file?.isFile()) return fail(404, "not found");
  response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream", "content-length": file.size, "cache-control": "no-cache" });
  if (request.method === "HEAD") return response.end();
  createReadStream(root + path).on("error", () => response.destroy()).pipe(response);
});

server.on("error", (error) => {
  console.error(error.code === "EADDRINUSE" ? `Port ${error.port} is taken; give another one: node examples/browser/serve.mjs 8081` : error.message);
  process.exitCode = 1;
});
server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => {
  console.log(`http://localhost:${server.address().port}/examples/browser/`);
});
