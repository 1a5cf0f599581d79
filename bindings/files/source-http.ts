import { KvasmError, shown } from "../errors.ts";
import { isRefusal } from "./bytes.ts";
import type { Absence, ModelFiles, OpenFile, SourceOptions } from "./files.ts";
import { WEIGHTS_FILE, isOtherForm, standardName } from "./named-weights.ts";

/** The files beside each other under a URL: that of their folder, or of the file of weights among them; or a GGUF file. */
export function httpFiles(url: URL, options: SourceOptions): ModelFiles {
  fetchOf(options);
  const named = WEIGHTS_FILE.exec(url.pathname);
  const gguf = /[^/]+\.gguf$/i.exec(url.pathname)?.[0];
  const isFile = named !== null || gguf !== undefined;
  const folder = new URL(isFile ? "." : url.pathname.endsWith("/") ? url : `${url.pathname}/`, url);
  const absences = new Map<string, Absence>();
  const description = shownUrl(isFile ? url : folder);

  const at = (name: string): URL => {
    const weights = named && name === standardName(named[0]) ? named[0] : name === gguf ? name : encodeURIComponent(name);
    const file = new URL(weights, folder);
    file.search = url.search; // a token in the query counts for all files
    return file;
  };

  return {
    description,
    gguf,
    weightsFile: named?.[0],
    whyAbsent: (name) => absences.get(name),
    async open(name): Promise<OpenFile | null> {
      if (named !== null && isOtherForm(name, named[0])) return null;
      return openHttp(name, at(name), options, absences);
    },
  };
}

/** One file by its URL; null if there is none, and then why in `absences`. */
export async function openHttp(name: string, file: URL, options: SourceOptions, absences: Map<string, Absence>): Promise<OpenFile | null> {
  const response = await request(fetchOf(options), file, options.signal);
  const reason = absence(response, file);
  if (reason !== undefined) {
    absences.set(name, reason);
    discard(response);
    return null;
  }
  if (!response.ok) {
    discard(response);
    const cure = response.status === 429 || response.status >= 500 ? " Try again later." : "";
    throw new KvasmError("source", `${shownUrl(file)}: the server answered ${response.status} ${response.statusText}.${cure}`, { argument: name, value: response.status });
  }
  return { stream: response.body ?? new Blob([]).stream(), size: contentLength(response) };
}

function fetchOf({ fetch = globalThis.fetch }: SourceOptions): typeof globalThis.fetch {
  if (typeof fetch !== "function") {
    throw new KvasmError("unsupported", "source: this runtime has no fetch. Pass one as an option, or pass the files' bytes.", { argument: "fetch", value: fetch });
  }
  return fetch;
}

async function request(fetch: typeof globalThis.fetch, url: URL, signal: AbortSignal | undefined): Promise<Response> {
  signal?.throwIfAborted();
  let response: unknown;
  try {
    response = await untilAborted(fetch(url.href, signal === undefined ? {} : { signal }), signal);
  } catch (cause) {
    signal?.throwIfAborted();
    const browser = typeof document === "undefined" ? "" : " In a browser this is also what a server without CORS headers looks like.";
    throw new KvasmError("source", `${shownUrl(url)}: no answer (${reasonOf(cause)}).${browser}`, { argument: shownUrl(url), cause });
  }
  const { body, status } = Object(response) as Partial<Response>;
  if (typeof status !== "number" || (body != null && typeof body.getReader !== "function")) {
    throw new KvasmError("type", `fetch: expected it to give a Response as the Fetch standard has it, got ${shown(response)}.`, { argument: "fetch", value: response });
  }
  return response as Response;
}

/** A fetch of the caller's own may not listen to the signal: then it is not waited for. */
function untilAborted(promise: Promise<unknown>, signal: AbortSignal | undefined): Promise<unknown> {
  if (signal === undefined) return Promise.resolve(promise);
  let stop: () => void;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
  });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", stop));
}

/** Why an answer means that there is no such file. */
function absence(response: Response, url: URL): Absence | undefined {
  const { status } = response;
  if (status === 404 || status === 410 || isRefusal(status)) {
    const page = url.hostname === "huggingface.co" && !url.pathname.includes("/resolve/") ? " On this hub files are under …/resolve/main/." : "";
    // S3, for one, says 403 for what is not there to all who may not list the bucket.
    const refusal = isRefusal(status) ? ": it may be missing, or it may need credentials (pass a `fetch` that adds them)" : "";
    return { status, why: `The server answered ${status} for ${shownUrl(url)}${refusal}.${page}` };
  }
  // Many servers answer every address with the page of an application.
  if (response.ok && /^text\/html\b/i.test(header(response, "content-type") ?? "")) return { status, why: `The server answered ${shownUrl(url)} with a web page.` };
  return undefined;
}

/** Of a body that arrives as it was sent; a compressed one counts other bytes, and in a CORS answer that may be hidden. */
function contentLength(response: Response): number | undefined {
  const encoding = header(response, "content-encoding");
  const length = header(response, "content-length");
  if (response.type === "cors" || (encoding && encoding !== "identity") || !length || !/^\d{1,15}$/.test(length)) return undefined;
  return Number(length);
}

function header(response: Response, name: string): string | null | undefined {
  return response.headers?.get(name);
}

function discard(response: Response): void {
  void response.body?.cancel().catch(() => {});
}

/** Without the query and user, which may be secrets. */
function shownUrl(url: URL): string {
  return url.origin + url.pathname;
}

/** fetch hides what happened in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
