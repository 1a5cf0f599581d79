/** What an answer of a hub means when it is not what was asked for. */
import { KvasmError } from "../errors.ts";
import { Transient } from "./retry.ts";

export interface Asked {
  readonly repository: string;
  readonly revision: string;
  /** Of a file. */
  readonly path?: string | undefined;
  readonly endpoint: string;
  readonly hasToken: boolean;
}

/**
 * The error of an answer that is no success: Transient where trying again may help.
 * @param isHub it came from the hub itself, not from where the hub sent us
 */
export function refusal(response: Response, url: URL, asked: Asked, isHub: boolean): KvasmError | Transient {
  const { status } = response;
  const { repository, revision, path, endpoint, hasToken } = asked;
  const said = response.headers.get("x-error-message");
  const words = said === null ? "" : ` (${said.slice(0, 200)})`;
  const code = response.headers.get("x-error-code");
  const name = JSON.stringify(repository);
  const error = (kind: "access" | "absent" | "rate-limit" | "source", argument: string, text: string) => new KvasmError(kind, `${argument}: ${text}`, { argument, value: status });

  if (status === 429) {
    const wait = askedToWait(response);
    const seconds = wait === undefined ? "" : ` for ${Math.ceil(wait / 1000)} s`;
    return new Transient(error("rate-limit", "source", `${name}: ${url.host} takes no more requests${seconds} (429). Try again later${hasToken ? "" : ", or pass a token (HF_TOKEN): it allows more"}. What was downloaded stays.`), wait);
  }
  if (status === 408 || status === 425 || status >= 500) {
    return new Transient(error("source", "source", `${name}: ${url.host} answered ${status} again and again. Try again later. What was downloaded stays.`), askedToWait(response));
  }
  if (!isHub) {
    // Addresses of storage are signed and end after some time: the hub gives a new one.
    return new Transient(error("source", "source", `${name}: ${url.host}, where ${JSON.stringify(path)} is stored, answered ${status}. Try again later.`));
  }
  if (code === "RevisionNotFound") return error("absent", "revision", `${name} has no ${JSON.stringify(revision)} (${status}). Look at ${endpoint}/${repository}/refs.`);
  if (code === "EntryNotFound") return error("absent", "source", `${name}: no file ${JSON.stringify(path)} in revision ${JSON.stringify(revision)} (${status}).`);
  const token = hasToken ? "The token that was sent may not read it." : "Pass a token that may read it (token, or HF_TOKEN).";
  if (code === "GatedRepo") return error("access", "token", `${name}: the model is gated${words}. Accept its conditions at ${endpoint}/${repository}, then: ${token}`);
  if (status === 401 || status === 403) {
    const also = code === "RepoNotFound" ? "there is no such model, or it is private" : `${url.host} answered ${status}${words}`;
    return error("access", "token", `${name}: ${also} (${status}). Check the name at ${endpoint}/${repository}. ${token}`);
  }
  if (status === 404) return error("absent", "source", `${name}: there is no such model at ${endpoint} (404). Check the name; for a folder of this name, pass ${JSON.stringify(`./${repository}`)}.`);
  return error("source", "source", `${name}: ${url.host} answered ${status}${words}.`);
}

/** A page for people where data should be: of a proxy, a network's login or a hub that does not know the address. */
export function isPage(response: Response): boolean {
  return /^text\/html\b/i.test(response.headers.get("content-type") ?? "");
}

/** Milliseconds, by Retry-After (seconds or a date) or by the hub's own RateLimit: "api";r=0;t=55. */
function askedToWait({ headers, status }: Response): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (text !== undefined && text !== "") {
    const milliseconds = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
    if (Number.isFinite(milliseconds)) return Math.max(0, milliseconds);
  }
  const reset = status === 429 ? /;\s*t\s*=\s*(\d+)/.exec(headers.get("ratelimit") ?? "")?.[1] : undefined;
  return reset === undefined ? undefined : Number(reset) * 1000;
}
