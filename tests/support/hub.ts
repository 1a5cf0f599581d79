/**
 * A hub on loopback that answers as huggingface.co does to what @huggingface/hub and Python's huggingface_hub ask of it: model info, the tree of a
 * commit in pages, files by `resolve` with redirects (small ones to another path, those in LFS or Xet to another origin with a signed address),
 * their headers, ranges, etags, CORS, and its errors. On request it misbehaves (hub-faults.ts).
 */
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HubRequest {
  readonly method: string;
  readonly server: "hub" | "storage";
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

/** Takes a request over, or passes it on by giving false. */
export type Misbehave = (request: HubRequest, response: ServerResponse, bytes: Uint8Array | undefined, ordinary: () => void) => boolean;

interface Commit {
  readonly sha: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

interface Repository {
  readonly commits: Map<string, Commit>;
  /** Branch or tag → commit. */
  readonly references: Map<string, string>;
  /** Only those with this token see it; "gated": they see that it is there. */
  readonly token?: string | undefined;
  readonly gated?: boolean | undefined;
  /** Its name now. */
  readonly movedTo?: string | undefined;
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
export const gitHash = (bytes: Uint8Array): string => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
const isLarge = (path: string): boolean => /\.(safetensors|gguf|bin|gz)$/.test(path);
/** What a hub's etag is, and a cache's name of a blob. */
export const etagOf = (path: string, bytes: Uint8Array): string => isLarge(path) ? sha256(bytes) : gitHash(bytes);

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag,X-Xet-Hash",
};

export class Hub {
  readonly requests: HubRequest[] = [];
  /** Entries of a page of the tree. */
  pageLength = 1000;
  misbehave: Misbehave | undefined;
  endpoint = "";
  storage = "";
  readonly #repositories = new Map<string, Repository>();
  readonly #servers: Server[] = [];

  static async start(): Promise<Hub> {
    const hub = new Hub();
    hub.endpoint = await hub.#listen("hub", (request, response, url) => hub.#answer(request, response, url));
    hub.storage = await hub.#listen("storage", (request, response, url) => hub.#answerStorage(request, response, url));
    return hub;
  }

  async #listen(server: "hub" | "storage", answer: (request: IncomingMessage, response: ServerResponse, url: URL) => void): Promise<string> {
    const listening = createServer((request, response) => {
      response.on("error", () => {});
      if (request.method === "OPTIONS") return void response.writeHead(204, { ...CORS, "access-control-allow-headers": "*", "access-control-allow-methods": "GET,HEAD" }).end();
      this.requests.push({ method: request.method!, server, path: request.url!, headers: request.headers });
      answer(request, response, new URL(request.url!, "http://host"));
    });
    this.#servers.push(listening);
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    })));
  }

  /** A new commit, which "main" (or another branch) means from now on. Returns its name. */
  commit(repository: string, files: Record<string, Uint8Array>, { branch = "main", ...options }: { branch?: string; token?: string; gated?: boolean; movedTo?: string } = {}): string {
    const entries = Object.entries(files).sort(([a], [b]) => a < b ? -1 : 1);
    const sha = createHash("sha1").update(repository).update(JSON.stringify(entries.map(([path, bytes]) => [path, gitHash(bytes)]))).digest("hex");
    const known = this.#repositories.get(repository) ?? { commits: new Map(), references: new Map() };
    this.#repositories.set(repository, { ...known, ...options });
    known.commits.set(sha, { sha, files: new Map(entries) });
    known.references.set(branch, sha);
    return sha;
  }

  /** The digest of a file, as the hub says it. */
  digest(repository: string, revision: string, path: string): string {
    const { references, commits } = this.#repositories.get(repository)!;
    return etagOf(path, commits.get(references.get(revision) ?? revision)!.files.get(path)!);
  }

  /** Of requests made until now. */
  forget(): void {
    this.requests.length = 0;
  }

  #find(name: string, request: IncomingMessage, response: ServerResponse): Repository | undefined {
    const repository = this.#repositories.get(name);
    const token = request.headers.authorization?.replace("Bearer ", "");
    if (repository === undefined || (repository.token !== undefined && !repository.gated && token !== repository.token)) {
      refuse(response, token === undefined ? 401 : 404, "RepoNotFound", "Repository not found");
      return undefined;
    }
    if (repository.gated && token !== repository.token) {
      refuse(response, token === undefined ? 401 : 403, "GatedRepo", `Access to model ${name} is restricted and you are not in the authorized list. Visit https://huggingface.co/${name} to ask for access.`);
      return undefined;
    }
    return repository;
  }

  #commit(repository: Repository, revision: string, response: ServerResponse): Commit | undefined {
    const commit = repository.commits.get(repository.references.get(revision) ?? revision);
    if (commit === undefined) refuse(response, 404, "RevisionNotFound", `Invalid rev id: ${revision}`);
    return commit;
  }

  #answer(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const ordinary = (): void => this.#answerHub(request, response, url);
    if (this.misbehave?.(this.requests.at(-1)!, response, this.#fileOf(url), ordinary)) return;
    ordinary();
  }

  #fileOf(url: URL): Uint8Array | undefined {
    const match = /^\/(?:api\/resolve-cache\/models\/)?(.+?)\/(?:resolve\/)?([0-9a-f]{40})\/(.+)$/.exec(url.pathname);
    return match === null ? undefined : this.#repositories.get(match[1])?.commits.get(match[2])?.files.get(decodeURIComponent(match[3]));
  }

  #answerHub(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const api = /^\/api\/models\/(.+?)\/(revision|tree)\/([^/]+)$/.exec(url.pathname) ?? /^\/api\/models\/([^/]+(?:\/[^/]+)?)()()$/.exec(url.pathname);
    const cached = /^\/api\/resolve-cache\/models\/(.+?)\/([0-9a-f]{40})\/(.+)$/.exec(url.pathname);
    const resolve = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    const [, name, kind, revision] = api ?? cached ?? resolve ?? [];
    if (name === undefined) return refuse(response, 404, undefined, "Sorry, we can't find the page you are looking for.");
    const moved = this.#repositories.get(name)?.movedTo;
    if (moved !== undefined) return void response.writeHead(307, { ...CORS, location: url.pathname.replace(name, moved) + url.search }).end();
    const repository = this.#find(name, request, response);
    if (repository === undefined) return;
    if (api !== null) {
      const commit = this.#commit(repository, decodeURIComponent(revision || "main"), response);
      if (commit !== undefined) return kind === "tree" ? this.#tree(response, url, commit) : info(response, name, repository, commit);
    } else if (cached !== null) {
      const [, , sha, path] = cached;
      const bytes = repository.commits.get(sha)?.files.get(decodeURIComponent(path));
      if (bytes === undefined) return refuse(response, 404, "EntryNotFound", "Entry not found");
      send(request, response, bytes, { etag: `"${gitHash(bytes)}"`, "x-repo-commit": sha });
    } else {
      const commit = this.#commit(repository, decodeURIComponent(resolve![2]), response);
      if (commit !== undefined) this.#resolve(response, name, commit, decodeURIComponent(resolve![3]));
    }
  }

  #tree(response: ServerResponse, url: URL, { files }: Commit): void {
    const all = [...files].flatMap(([path, bytes]) => {
      const folders = path.split("/").slice(0, -1).map((_, index, parts) => ({ type: "directory", oid: "0".repeat(40), size: 0, path: parts.slice(0, index + 1).join("/") }));
      const large = isLarge(path);
      return [...folders, {
        type: "file", oid: large ? gitHash(Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(bytes)}\nsize ${bytes.length}\n`)) : gitHash(bytes), size: bytes.length, path,
        ...large && { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 }, xetHash: sha256(Buffer.from(sha256(bytes))) },
      }];
    });
    const at = Number(url.searchParams.get("cursor") ?? 0);
    const next = new URL(url.pathname + url.search, this.endpoint);
    next.searchParams.set("cursor", String(at + this.pageLength));
    const more: Record<string, string> = at + this.pageLength < all.length ? { link: `<${next.href}>; rel="next"` } : {};
    json(response, all.slice(at, at + this.pageLength), more);
  }

  #resolve(response: ServerResponse, name: string, { sha, files }: Commit, path: string): void {
    const bytes = files.get(path);
    if (bytes === undefined) return refuse(response, 404, "EntryNotFound", "Entry not found", { "x-repo-commit": sha });
    if (!isLarge(path)) {
      const etag = gitHash(bytes);
      return void response.writeHead(307, { ...CORS, "x-repo-commit": sha, etag: `"${etag}"`, location: `/api/resolve-cache/models/${name}/${sha}/${encodeURIComponent(path)}?etag=${encodeURIComponent(`"${etag}"`)}` }).end();
    }
    const hash = sha256(bytes);
    response.writeHead(302, {
      ...CORS, "x-repo-commit": sha, "x-linked-size": bytes.length, "x-linked-etag": `"${hash}"`, "x-xet-hash": sha256(Buffer.from(hash)),
      link: `<${this.endpoint}/api/models/${name}/xet-read-token/${sha}>; rel="xet-auth", <${this.storage}/reconstructions/${hash}>; rel="xet-reconstruction-info"`,
      location: `${this.storage}/${name}/${sha}/${encodeURIComponent(path)}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600&X-Amz-Signature=${hash.slice(0, 16)}`,
    }).end();
  }

  #answerStorage(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const bytes = this.#fileOf(url);
    const ordinary = (): void => {
      // As S3 does with a signed address and a token: and so no token may come here.
      if (request.headers.authorization !== undefined) return refuse(response, 400, undefined, "Only one auth mechanism allowed");
      if (bytes === undefined || !url.searchParams.has("X-Amz-Signature")) return refuse(response, 403, undefined, "Access denied");
      send(request, response, bytes, { etag: `"${sha256(bytes).slice(0, 32)}-1"` });
    };
    if (!this.misbehave?.(this.requests.at(-1)!, response, bytes, ordinary)) ordinary();
  }
}

function info(response: ServerResponse, name: string, { references, gated, token }: Repository, { sha, files }: Commit): void {
  json(response, {
    _id: "621ffdc036468d709f17434d", id: name, modelId: name, author: name.split("/")[0], sha, lastModified: "2024-02-19T10:57:45.000Z", private: token !== undefined && !gated, gated: gated ? "auto" : false,
    disabled: false, downloads: 1, likes: 1, tags: ["gpt2"], pipeline_tag: "text-generation", createdAt: "2022-03-02T23:29:04.000Z", siblings: [...files.keys()].map((rfilename) => ({ rfilename })), references: references.size,
  });
}

/** With ranges, as storage and the hub's cache have them. */
export function send({ method, headers }: Pick<IncomingMessage, "method" | "headers">, response: ServerResponse, bytes: Uint8Array, more: Record<string, string>): void {
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "");
  const base = { ...CORS, "accept-ranges": "bytes", "content-type": "binary/octet-stream", ...more };
  if (range === null) return void response.writeHead(200, { ...base, "content-length": bytes.length }).end(method === "HEAD" ? undefined : bytes);
  const [begin, end] = [Number(range[1]), Math.min(range[2] === "" ? Infinity : Number(range[2]) + 1, bytes.length)];
  if (begin >= bytes.length) return void response.writeHead(416, { ...base, "content-range": `bytes */${bytes.length}` }).end();
  response.writeHead(206, { ...base, "content-length": end - begin, "content-range": `bytes ${begin}-${end - 1}/${bytes.length}` }).end(method === "HEAD" ? undefined : bytes.subarray(begin, end));
}

function json(response: ServerResponse, value: unknown, more: Record<string, string> = {}): void {
  response.writeHead(200, { ...CORS, "content-type": "application/json; charset=utf-8", ...more }).end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number, code: string | undefined, message: string, more: Record<string, string> = {}): void {
  response.writeHead(status, { ...CORS, "content-type": "application/json; charset=utf-8", "x-error-message": message, ...code !== undefined && { "x-error-code": code }, ...more }).end(JSON.stringify({ error: message }));
}
