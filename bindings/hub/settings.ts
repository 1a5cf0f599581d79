import { KvasmError, checkBoolean, shown } from "../errors.ts";
import type { Progress } from "../weights/types.ts";
import { environment } from "./environment.ts";
import { checkRevision } from "./id.ts";
import type { HubId } from "./id.ts";
import { HUB_TEST } from "./keys.ts";
import type { Connection } from "./requests.ts";
import type { Store } from "./store.ts";
import { TIMING } from "./timing.ts";
import type { Timing } from "./timing.ts";

/** How a model is loaded by its name on a hub. */
export interface HubOptions {
  /** A branch, a tag or a commit. Default "main". */
  revision?: string | undefined;
  /** Sent to the hub, and to nobody else; false: none. Default: that of HF_TOKEN, or of the file that `hf auth login` writes. */
  token?: string | false | undefined;
  /** Make no request: use what is in the cache, or fail with an `offline` error that says what is missing. Default: HF_HUB_OFFLINE. */
  offline?: boolean | undefined;
  /** Where files are kept. Default: HF_HUB_CACHE, or hub/ in HF_HOME, or ~/.cache/huggingface/hub, as Hugging Face's own tools have it. */
  cacheDir?: string | undefined;
  /** Another hub, or a mirror of it. Default: HF_ENDPOINT, or https://huggingface.co. */
  endpoint?: string | undefined;
  /**
   * "converted": load the integers, of the option `weights`, that `pull` of kvasm/hub keeps in place of the original, without any request.
   * Default "original".
   */
  keep?: "original" | "converted" | undefined;
}

export interface HubCall extends HubOptions {
  fetch?: typeof globalThis.fetch | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** What tests may set, as the option HUB_TEST. */
export interface HubTest {
  readonly timing?: Partial<Timing>;
  readonly pieceBytes?: number;
  readonly store?: Store;
}

export interface Settings {
  readonly revision: string;
  readonly offline: boolean;
  readonly connection: Connection;
  readonly store: Store;
  readonly pieceBytes: number;
}

const PIECE_BYTES = 8 << 20;

/** @throws KvasmError `type`, `value` */
export async function settingsOf(id: Pick<HubId, "revision">, options: HubCall): Promise<Settings> {
  const test = (options as { [HUB_TEST]?: HubTest })[HUB_TEST];
  const surroundings = environment();
  const { fetch = globalThis.fetch } = options;
  const [cacheDir, given] = [checkText("cacheDir", options.cacheDir), options.token === false ? undefined : checkText("token", options.token)];
  if (given !== undefined && /[^\x21-\x7e]/.test(given)) throw new KvasmError("value", "token: expected letters, digits and signs; it has a space, a line's end or the like.", { argument: "token" });
  if (options.keep !== undefined && options.keep !== "original" && options.keep !== "converted") {
    throw new KvasmError(typeof options.keep === "string" ? "value" : "type", `keep: expected "original" or "converted", got ${shown(options.keep)}.`, { argument: "keep", value: options.keep });
  }
  const offline = options.offline === undefined ? surroundings.offline : checkBoolean("offline", options.offline);
  const endpoint = checkEndpoint(checkText("endpoint", options.endpoint) ?? surroundings.endpoint ?? "https://huggingface.co");
  const revision = checkRevision(options.revision ?? id.revision ?? "main");
  if (id.revision !== undefined && revision !== id.revision) throw new KvasmError("value", `revision: ${shown(revision)} is not the one that the id names, ${shown(id.revision)}. Leave one of them out.`, { argument: "revision", value: revision });
  return {
    revision, offline,
    connection: {
      endpoint, fetch,
      token: options.token === false ? undefined : given ?? await surroundings.token(),
      timing: { ...TIMING, ...test?.timing },
    },
    store: test?.store ?? await surroundings.store(cacheDir),
    pieceBytes: test?.pieceBytes ?? PIECE_BYTES,
  };
}

function checkText(argument: string, value: unknown): string | undefined {
  if (value === undefined || (typeof value === "string" && value !== "")) return value;
  throw new KvasmError(typeof value === "string" ? "value" : "type", `${argument}: expected a string, got ${argument === "token" && typeof value !== "string" ? typeof value : shown(value)}.`, { argument });
}

function checkEndpoint(text: string): string {
  try {
    const { protocol, username, search, hash, href } = new URL(text);
    if (/^https?:$/.test(protocol) && username === "" && search === "" && hash === "") return href.replace(/\/+$/, "");
  } catch {
    // Said below.
  }
  throw new KvasmError("value", `endpoint: expected the http(s) address of a hub, such as "https://huggingface.co"; got ${shown(text)}.`, { argument: "endpoint", value: text });
}
