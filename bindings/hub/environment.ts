/** What Hugging Face's tools read from the environment, and this reads likewise. In what browsers get, environment.browser.ts stands here. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { FolderStore } from "./folder/store.ts";
import type { Store } from "./store.ts";

export interface Environment {
  readonly endpoint: string | undefined;
  readonly offline: boolean;
  token(): Promise<string | undefined>;
  /** @param cacheDir in place of the environment's */
  store(cacheDir: string | undefined): Promise<Store>;
}

export function environment(): Environment {
  return {
    endpoint: variable("HF_ENDPOINT"),
    offline: isTrue("HF_HUB_OFFLINE") || isTrue("TRANSFORMERS_OFFLINE"),
    token,
    store: async (cacheDir) => new FolderStore(expanded(cacheDir ?? cacheFolder()), { symlinks: !isTrue("HF_HUB_DISABLE_SYMLINKS") }),
  };
}

function home(): string {
  return expanded(variable("HF_HOME") ?? join(variable("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface"));
}

function cacheFolder(): string {
  return variable("HF_HUB_CACHE") ?? variable("HUGGINGFACE_HUB_CACHE") ?? join(home(), "hub");
}

async function token(): Promise<string | undefined> {
  if (isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return undefined;
  const given = variable("HF_TOKEN") ?? variable("HUGGING_FACE_HUB_TOKEN");
  if (given !== undefined) return clean(given);
  try {
    return clean(await readFile(expanded(variable("HF_TOKEN_PATH") ?? join(home(), "token")), "utf8"));
  } catch {
    return undefined; // nobody has logged in
  }
}

function clean(text: string): string | undefined {
  const token = text.replaceAll(/[\r\n]/g, "").trim();
  return token === "" ? undefined : token;
}

/** Deno asks for a permission, and what it does not give is not set. */
function variable(name: string): string | undefined {
  try {
    return process.env[name] || undefined;
  } catch {
    return undefined;
  }
}

function isTrue(name: string): boolean {
  return /^(1|on|yes|true)$/i.test(variable(name) ?? "");
}

/** "~" and variables, which shells expand and files of settings do not. */
function expanded(path: string): string {
  return path.replace(/^~(?=$|[\\/])/, () => homedir()).replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced, bare) => variable(braced ?? bare) ?? whole);
}
