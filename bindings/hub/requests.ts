/** Requests to a hub: redirects, the token, deadlines. */
import { KvasmError, shown } from "../errors.ts";
import { isPage, refusal } from "./answers.ts";
import type { Asked } from "./answers.ts";
import { Transient } from "./retry.ts";
import { pause, unlessAborted } from "./timing.ts";
import type { Timing } from "./timing.ts";

const MOST_REDIRECTS = 8;

export interface Connection {
  /** Without a "/" at its end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly fetch: typeof globalThis.fetch;
  readonly timing: Timing;
}

/** An answer, and the hub's own before it sent us elsewhere. */
export interface Answer {
  readonly response: Response;
  /** From where it came. */
  readonly url: URL;
  /** Of the last answer of the hub itself. */
  readonly hubHeaders: Headers;
}

/**
 * GETs an address, of the hub or of where it keeps files. The token goes to the hub alone.
 * @throws Transient; KvasmError `access`, `absent`, `source`; the signal's reason
 */
export async function get(connection: Connection, address: string | URL, headers: Record<string, string>, asked: Asked, signal: AbortSignal): Promise<Answer> {
  const hub = new URL(connection.endpoint);
  let url = new URL(address);
  let hubHeaders = new Headers();
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const isHub = url.origin === hub.origin;
    const own = isHub && connection.token !== undefined ? { ...headers, authorization: `Bearer ${connection.token}` } : headers;
    const response = await answer(connection, url, own, asked, signal);
    // Where fetch itself followed redirects, these may be another's headers.
    if (isHub && (response.url === "" || new URL(response.url).origin === hub.origin)) hubHeaders = response.headers;
    const location = response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
    if (location !== null) {
      discard(response);
      const next = parse(location, url, asked);
      if (url.protocol === "https:" && next.protocol !== "https:") throw new KvasmError("source", `source: ${JSON.stringify(asked.repository)}: ${url.host} redirects to ${shown(next.href)}, which is not encrypted. Use an https: endpoint.`, { argument: "source", value: next.origin });
      url = next;
      continue;
    }
    // Where redirects cannot be followed by hand (browsers), fetch follows them, and leaves the token out at another origin.
    const from = response.url === "" ? url : new URL(response.url);
    if (!response.ok) {
      discard(response);
      throw refusal(response, from, asked, from.origin === hub.origin);
    }
    if (isPage(response) && !/\.html?$/.test(asked.path ?? "")) {
      discard(response);
      throw new Transient(new KvasmError("source", `source: ${JSON.stringify(asked.repository)}: ${from.host} answers with a web page instead of ${asked.path === undefined ? "data" : JSON.stringify(asked.path)}. Is there a proxy, or a network that wants a login? Is the endpoint a hub?`, { argument: "source", value: from.href }));
    }
    return { response, url: from, hubHeaders };
  }
  throw new KvasmError("source", `source: ${JSON.stringify(asked.repository)}: ${hub.host} sends on and on (${MOST_REDIRECTS} redirects).`, { argument: "source", value: url.origin });
}

function parse(location: string, from: URL, asked: Asked): URL {
  try {
    const url = new URL(location, from);
    if (/^https?:$/.test(url.protocol)) return url;
  } catch {
    // Said below.
  }
  throw new Transient(new KvasmError("source", `source: ${JSON.stringify(asked.repository)}: ${from.host} redirects to ${shown(location)}, which is not an address. Is the endpoint a hub?`, { argument: "source", value: location }));
}

async function answer({ fetch, timing }: Connection, url: URL, headers: Record<string, string>, asked: Asked, signal: AbortSignal): Promise<Response> {
  const silence = new AbortController();
  const stop = (): void => silence.abort(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", stop);
  const request = async (redirect: RequestRedirect): Promise<Response> => {
    const late = new AbortController();
    const timer = pause(timing.answer, late.signal).then(() => silence.abort(new Error(`no answer within ${timing.answer / 1000} s`)), () => {});
    try {
      // A browser's own cache would keep a second copy, and lets one request at a time have an address.
      return await unlessAborted(fetch(url.href, { headers, redirect, signal: silence.signal, cache: "no-store" }), silence.signal);
    } finally {
      late.abort();
      await timer;
    }
  };
  try {
    const first = await request("manual");
    const response = first.type === "opaqueredirect" ? await request("follow") : first;
    requests.set(response, silence);
    return response;
  } catch (cause) {
    signal.throwIfAborted();
    const browser = typeof document === "undefined" ? "" : " In a browser this is also what a server without CORS headers looks like.";
    throw new Transient(new KvasmError("source", `source: ${JSON.stringify(asked.repository)}: no answer from ${url.host} (${reasonOf(cause)}). Is there a network? What is in the cache loads with { offline: true } (HF_HUB_OFFLINE=1).${browser}`, { argument: "source", cause }));
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** The bytes of an answer as they come. Ends with a Transient if they stop coming. */
export async function* bytesOf(response: Response, { bytes: patience }: Timing, what: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const silence = new AbortController();
  const stop = (): void => silence.abort(signal.reason);
  signal.addEventListener("abort", stop);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    for (;;) {
      signal.throwIfAborted();
      timer = setTimeout(() => silence.abort(new Error(`no bytes within ${patience / 1000} s`)), patience);
      const { done, value } = await unlessAborted(reader.read(), silence.signal);
      clearTimeout(timer);
      if (done) return;
      if (value.length > 0) yield value;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw new Transient(new KvasmError("source", `source: ${what}: the connection broke again and again (${reasonOf(cause)}). What was downloaded stays: try again later.`, { argument: "source", cause }));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    void reader.cancel().catch(() => {});
    end(response);
  }
}

export function discard(response: Response): void {
  void response.body?.cancel().catch(() => {});
  end(response);
}

/** By their answers. */
const requests = new WeakMap<Response, AbortController>();

/** Firefox keeps the connection of a body that was cancelled, and has six for a host: only an abort ends it. */
function end(response: Response): void {
  requests.get(response)?.abort();
}

/** fetch hides what happened in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
