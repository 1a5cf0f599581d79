/** One request for a part of a file, and what the answer must look like. */
import { KvasmError } from "../errors.ts";
import type { Asked } from "./answers.ts";
import type { Job } from "./download.ts";
import { missing, within } from "./ranges.ts";
import { bytesOf, discard, get } from "./requests.ts";
import type { Answer } from "./requests.ts";
import { Transient } from "./retry.ts";
import type { ByteRange, HubFile, PartialBlob } from "./store.ts";

/** Bytes that are gathered before they are written. */
const GATHER = 1 << 18;

/** The hub has another file of this name by now: what is known of the revision has to be asked for anew. */
export class Changed extends Error {
  readonly final: KvasmError;

  constructor(file: HubFile, what: string) {
    super(what);
    this.final = new KvasmError("source", `source: ${JSON.stringify(file.path)}: ${what}, and asking anew gave no other listing. Try again later; a mirror may have fallen behind.`, { argument: "source", value: what });
  }
}

/** The server sends all of the file, whatever part is asked for. */
export class NoRanges extends Error {}

/** Where the hub sent us for a file, until that is refused. */
export interface Place {
  url: URL | undefined;
}

/**
 * Writes the bytes of `piece` that are not here yet. What came stays, also if it throws.
 * @throws Transient, Changed, NoRanges, KvasmError, the signal's reason
 */
export async function fetchPiece(job: Job, partial: PartialBlob, piece: ByteRange, place: Place, signal: AbortSignal, progressed: () => void): Promise<void> {
  const { connection, repository, commit, file } = job;
  const { endpoint, token } = connection;
  const asked: Asked = { repository, revision: commit, path: file.path, endpoint, hasToken: token !== undefined };
  const address = place.url ?? `${endpoint}/${repository}/resolve/${commit}/${file.path.split("/").map(encodeURIComponent).join("/")}`;
  let answer: Answer;
  try {
    answer = await get(connection, address, { range: `bytes=${piece.begin}-${piece.end - 1}`, "accept-encoding": "identity" }, asked, signal);
  } catch (error) {
    place.url = undefined;
    throw error;
  }
  try {
    checkIdentity(answer.hubHeaders, file, commit);
    const begin = beginOf(answer, piece, file);
    place.url = answer.url;
    await take(job, partial, answer.response, begin, begin === piece.begin ? piece.end : file.size, signal, progressed);
  } catch (error) {
    discard(answer.response);
    if (error instanceof Transient) place.url = undefined;
    throw error;
  }
}

/** @throws Changed */
function checkIdentity(headers: Headers, file: HubFile, commit: string): void {
  const etag = (headers.get("x-linked-etag") ?? headers.get("etag") ?? "").replace(/^W\//, "").replaceAll('"', "");
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) && etag !== file.digest.hex) throw new Changed(file, `its digest is ${etag} and not ${file.digest.hex} as listed`);
  const size = headers.get("x-linked-size");
  if (size !== null && Number(size) !== file.size) throw new Changed(file, `it has ${size} bytes and not ${file.size} as listed`);
  const other = headers.get("x-repo-commit");
  if (other !== null && other !== commit) throw new Changed(file, `the hub sends commit ${other} and not ${commit}`);
}

/** Where in the file the answer's bytes begin. */
function beginOf({ response, url }: Answer, piece: ByteRange, file: HubFile): number {
  const wrong = (what: string): Transient => new Transient(new KvasmError("source", `source: ${JSON.stringify(file.path)}: asked for bytes ${piece.begin} to ${piece.end} of ${file.size}, ${url.host} sent ${what}, again and again. Try again later.`, { argument: "source", value: what }));
  if (response.status === 206) {
    const range = response.headers.get("content-range"); // a CORS answer may hide it
    const match = range === null ? undefined : /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range.trim());
    if (match === null) throw wrong(`a range of ${JSON.stringify(range)}`);
    if (match === undefined) return piece.begin;
    const [begin, last, total] = match.slice(1).map(Number);
    if (begin !== piece.begin || last < begin || (match[3] !== "*" && total !== file.size)) throw wrong(`bytes ${begin} to ${last + 1} of ${match[3]}`);
    return begin;
  }
  if (response.status !== 200) throw wrong(`status ${response.status}`);
  const length = response.headers.get("content-encoding") === null ? response.headers.get("content-length") : null;
  if (length !== null && response.type !== "cors" && Number(length) !== file.size) throw wrong(`all of ${length} bytes`);
  if (piece.begin !== 0 || piece.end !== file.size) throw new NoRanges();
  return 0;
}

async function take({ connection, file, meter }: Job, partial: PartialBlob, response: Response, begin: number, end: number, signal: AbortSignal, progressed: () => void): Promise<void> {
  let gathered: Uint8Array[] = [];
  let [at, length] = [begin, 0];
  const write = async (): Promise<void> => {
    if (length === 0) return;
    const bytes = new Uint8Array(length);
    let to = 0;
    for (const part of gathered) {
      bytes.set(part, to);
      to += part.length;
    }
    const from = at - length;
    [gathered, length] = [[], 0];
    // All but the first try for a file without ranges brings bytes that are here.
    for (const { begin, end } of within(missing(partial.ranges, file.size), { begin: from, end: from + bytes.length })) {
      await partial.write(begin, bytes.subarray(begin - from, end - from));
      meter.received(file.path, end - begin);
      progressed();
    }
  };
  try {
    for await (const bytes of bytesOf(response, connection.timing, JSON.stringify(file.path), signal)) {
      const wanted = bytes.subarray(0, end - at);
      gathered.push(wanted.slice());
      at += wanted.length;
      length += wanted.length;
      if (length >= GATHER) await write();
      if (at === end) break;
    }
  } finally {
    await write();
  }
  if (at < end) throw new Transient(new KvasmError("source", `source: ${JSON.stringify(file.path)}: the answers ended before ${end - at} of their bytes, again and again. What was downloaded stays: try again later.`, { argument: "source", value: at }));
}
