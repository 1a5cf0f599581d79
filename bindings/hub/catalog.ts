/** What a hub says of a model: the commit that a revision means, and the files of a commit. Asked by Hugging Face's own library. */
import { listFiles, modelInfo } from "@huggingface/hub";
import { KvasmError, shown } from "../errors.ts";
import type { Asked } from "./answers.ts";
import { isCommit, isSafePath } from "./id.ts";
import { bytesOf, get } from "./requests.ts";
import type { Connection } from "./requests.ts";
import { Transient, patiently } from "./retry.ts";
import type { HubFile, Listing } from "./store.ts";
import type { Timing } from "./timing.ts";

/** Of an answer in JSON. A listing has about 300 bytes a file. */
const MOST_BYTES = 64 << 20;

export async function commitOf(connection: Connection, repository: string, revision: string, signal: AbortSignal, timing: Timing = connection.timing): Promise<string> {
  return asking(connection, { repository, revision }, signal, timing, async (parameters, malformed) => {
    const { sha } = await modelInfo({ ...parameters, name: repository, revision, additionalFields: ["sha"] });
    return typeof sha === "string" && isCommit(sha) ? sha : malformed("sha", sha);
  });
}

export async function filesOf(connection: Connection, repository: string, commit: string, signal: AbortSignal): Promise<Listing> {
  return asking(connection, { repository, revision: commit }, signal, connection.timing, async (parameters, malformed) => {
    const files = new Map<string, HubFile>();
    for await (const { type, path, size, oid, lfs, xetHash } of listFiles({ ...parameters, repo: { type: "model", name: repository }, revision: commit, recursive: true })) {
      if (type !== "file") continue;
      if (typeof path !== "string" || !isSafePath(path)) return malformed("path", path);
      const [bytes, hex] = lfs === undefined ? [size, oid] : [lfs.size, lfs.oid];
      if (!Number.isSafeInteger(bytes) || bytes < 0) return malformed(`${path}: size`, bytes);
      if (typeof hex !== "string" || !(lfs === undefined ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/).test(hex)) return malformed(`${path}: oid`, hex);
      files.set(path, { path, size: bytes, digest: { kind: lfs === undefined ? "git" : "sha256", hex }, blobId: oid, xetHash });
    }
    return files;
  });
}

interface Parameters {
  readonly hubUrl: string;
  readonly fetch: typeof globalThis.fetch;
}

async function asking<T>(connection: Connection, about: { repository: string; revision: string }, signal: AbortSignal, timing: Timing, work: (parameters: Parameters, malformed: (field: string, value: unknown) => never) => Promise<T>): Promise<T> {
  const { endpoint, token } = connection;
  const asked: Asked = { ...about, endpoint, hasToken: token !== undefined };
  const name = JSON.stringify(about.repository);
  const malformed = (field: string, value: unknown): never => {
    throw new Transient(new KvasmError("source", `endpoint: ${name}: ${endpoint} does not answer as a hub does: ${field} is ${shown(value)}. Is the endpoint a hub?`, { argument: "endpoint", value: endpoint }));
  };
  const fetch = async (address: string | URL | Request): Promise<Response> => {
    const { response } = await get(connection, ofThisHub(String(address), endpoint), { accept: "application/json" }, asked, signal);
    const parts: BlobPart[] = [];
    let length = 0;
    for await (const bytes of bytesOf(response, timing, name, signal)) {
      if ((length += bytes.length) > MOST_BYTES) malformed("an answer", `longer than ${MOST_BYTES} bytes`);
      parts.push(bytes as Uint8Array<ArrayBuffer>);
    }
    return new Response(new Blob(parts), { headers: response.headers });
  };
  return patiently(timing, signal, async () => {
    try {
      return await work({ hubUrl: endpoint, fetch: fetch as typeof globalThis.fetch }, malformed);
    } catch (cause) {
      signal.throwIfAborted();
      if (KvasmError.is(cause) || cause instanceof Transient) throw cause;
      // What is no JSON, or JSON of another shape.
      throw new Transient(new KvasmError("source", `endpoint: ${name}: ${endpoint} does not answer as a hub does (${String(cause)}). Is the endpoint a hub?`, { argument: "endpoint", value: endpoint, cause }));
    }
  });
}

/** A mirror may pass on the next page's address as the hub wrote it. */
function ofThisHub(address: string, endpoint: string): string {
  return address.replace(/^https:\/\/(huggingface\.co|hub-ci\.huggingface\.co)(?=\/)/, endpoint);
}
