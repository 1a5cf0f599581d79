/** Serves a built folder on the loopback interface, as any web server does. */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".json": "application/json", ".css": "text/css" };

/**
 * `folders`: address → folder, the first that has the file; `pages`: address → page where none has. Resolves to { origin, missing, close }:
 * `missing` are the addresses answered by 404.
 */
export async function serve(folders, pages = {}) {
  const missing = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    for (const [prefix, folder] of Object.entries(folders)) {
      if (!path.startsWith(prefix) || path.includes("..")) continue;
      const file = join(folder, path.slice(prefix.length), path.endsWith("/") ? "index.html" : "");
      if (!statSync(file, { throwIfNoEntry: false })?.isFile()) continue;
      response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
      return void createReadStream(file).pipe(response);
    }
    if (path in pages) return void response.writeHead(200, { "content-type": TYPES[".html"] }).end(pages[path]);
    missing.push(path);
    response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    missing,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}
