/** A hub that misbehaves at seeded random points, and what must hold whatever it does. */
import { rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { pull, verify } from "../../bindings/entries/hub.ts";
import { KvasmError, load } from "../../bindings/index.ts";
import { assert } from "./assert.ts";
import { safetensors, tinyEntries } from "./checkpoint.ts";
import { quickly } from "./hub-models.ts";
import { send } from "./hub.ts";
import type { Hub, HubRequest } from "./hub.ts";

interface Asked {
  readonly request: HubRequest;
  readonly response: ServerResponse;
  /** Of the file, if the request is for one that lies here. */
  readonly bytes: Uint8Array | undefined;
  readonly random: () => number;
  ordinary(): void;
}

const page = "<!DOCTYPE html><html><body>Sign in to the network</body></html>";
const partOf = (bytes: Uint8Array, headers: HubRequest["headers"]): [begin: number, end: number] => {
  const [, begin, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
  return begin === undefined ? [0, bytes.length] : [Number(begin), Math.min(Number(last) + 1, bytes.length)];
};
const refuse = (status: number, headers: Record<string, string> = {}) => ({ response }: Asked): void => void response.writeHead(status, headers).end("no");

/** Each does it, or answers as it should where it makes no sense. */
export const FAULTS: Record<string, (asked: Asked) => void> = {
  "no answer": ({ response }) => void response.destroy(),
  silence: () => {},
  cut({ bytes, request, response, random, ordinary }) {
    if (bytes === undefined) return ordinary();
    const [begin, end] = partOf(bytes, request.headers);
    response.writeHead(206, { "content-length": end - begin, "content-range": `bytes ${begin}-${end - 1}/${bytes.length}` });
    response.write(bytes.subarray(begin, begin + Math.floor(random() * (end - begin))), () => response.destroy());
  },
  stalled({ bytes, request, response, random, ordinary }) {
    if (bytes === undefined) return ordinary();
    const [begin, end] = partOf(bytes, request.headers);
    response.writeHead(206, { "content-length": end - begin, "content-range": `bytes ${begin}-${end - 1}/${bytes.length}` });
    response.write(bytes.subarray(begin, begin + Math.floor(random() * (end - begin))));
  },
  slow({ bytes, request, response, ordinary }) {
    if (bytes === undefined) return ordinary();
    const [begin, end] = partOf(bytes, request.headers);
    response.writeHead(206, { "content-length": end - begin, "content-range": `bytes ${begin}-${end - 1}/${bytes.length}` });
    let at = begin;
    const timer = setInterval(() => {
      response.write(bytes.subarray(at, at = Math.min(at + 1024, end)));
      if (at < end && !response.destroyed) return;
      clearInterval(timer);
      response.end();
    }, 3);
  },
  "short answer"({ bytes, request, response, random, ordinary }) {
    if (bytes === undefined) return ordinary();
    const [begin, end] = partOf(bytes, request.headers);
    // In chunks, so that its end says nothing of its length.
    response.writeHead(206, { "content-range": `bytes ${begin}-${end - 1}/${bytes.length}` }).end(bytes.subarray(begin, begin + Math.floor(random() * (end - begin))));
  },
  "long answer"({ bytes, request, response, ordinary }) {
    if (bytes === undefined) return ordinary();
    const [begin, end] = partOf(bytes, request.headers);
    response.writeHead(206, { "content-range": `bytes ${begin}-${end - 1}/${bytes.length}` });
    response.write(bytes.subarray(begin, end));
    response.end(page);
  },
  "other range"({ bytes, request, response, ordinary }) {
    if (bytes === undefined) return ordinary();
    const [begin, end] = partOf(bytes, request.headers);
    const shift = begin === 0 ? 7 : -7;
    response.writeHead(206, { "content-range": `bytes ${begin + shift}-${end - 1 + shift}/${bytes.length}` }).end(bytes.subarray(begin + shift, end + shift));
  },
  "other total"({ bytes, request, response, ordinary }) {
    if (bytes === undefined) return ordinary();
    const [begin, end] = partOf(bytes, request.headers);
    response.writeHead(206, { "content-range": `bytes ${begin}-${end - 1}/${bytes.length + 1}` }).end(bytes.subarray(begin, end));
  },
  "no range"({ bytes, response, ordinary }) {
    if (bytes === undefined) return ordinary();
    response.writeHead(200, { "content-length": bytes.length }).end(bytes);
  },
  "other bytes"({ bytes, request, response, random, ordinary }) {
    if (bytes === undefined) return ordinary();
    const other = bytes.slice();
    const [begin, end] = partOf(bytes, request.headers);
    other[begin + Math.floor(random() * (end - begin))] ^= 4;
    send({ method: "GET", headers: request.headers }, response, other, {});
  },
  page: ({ response }) => void response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page),
  "page in disguise": ({ response }) => void response.writeHead(200, { "content-type": "application/octet-stream" }).end(page),
  pointer({ bytes, response, ordinary }) {
    if (bytes === undefined) return ordinary();
    response.writeHead(200).end(`version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize ${bytes.length}\n`);
  },
  "half of JSON": ({ bytes, response, ordinary }) => bytes === undefined ? void response.writeHead(200, { "content-type": "application/json" }).end('[{"type":"file","path":"config.json","size":40') : ordinary(),
  "another's JSON": ({ bytes, response, ordinary }) => bytes === undefined ? void response.writeHead(200, { "content-type": "application/json" }).end('{"message":"hello","sha":"main"}') : ordinary(),
  "404": refuse(404),
  "403": refuse(403),
  "416": refuse(416),
  "429 with Retry-After": refuse(429, { "retry-after": "0" }),
  "429 for an hour": refuse(429, { "retry-after": "3600" }),
  "429 as the hub says it": refuse(429, { ratelimit: '"api";r=0;t=0' }),
  "500": refuse(500),
  "502": refuse(502),
  "503": refuse(503, { "retry-after": "0" }),
  "204": ({ response }) => void response.writeHead(204).end(),
  "endless redirects": ({ request, response }) => void response.writeHead(302, { location: `${request.path}${request.path.includes("?") ? "&" : "?"}again` }).end(),
  "redirect to nowhere": ({ response }) => void response.writeHead(302, { location: "http://[" }).end(),
  "another etag": ({ response, bytes, ordinary }) => bytes === undefined ? ordinary() : void response.writeHead(302, { "x-linked-etag": `"${"ab".repeat(32)}"`, location: "/elsewhere" }).end(),
  "another commit": ({ response, bytes, ordinary }) => bytes === undefined ? ordinary() : void response.writeHead(200, { "x-repo-commit": "c".repeat(40), "content-length": bytes.length }).end(bytes),
};

const CONFIG = { model_type: "gpt2", n_layer: 2, n_embd: 32, n_head: 2, n_inner: 64, vocab_size: 40, n_positions: 16, bos_token_id: 10, eos_token_id: 10 };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** A model of 74 kB, and another that differs in its weights alone. */
export function repositories(): [Record<string, Uint8Array>, Record<string, Uint8Array>] {
  const weights = safetensors(tinyEntries("transformer.", { config: CONFIG }));
  const others = weights.slice();
  for (let at = others.length - 4000; at < others.length; at += 4) others[at] ^= 1;
  const files = { "config.json": text(JSON.stringify(CONFIG)), "generation_config.json": text("{}"), "README.md": text("#") };
  return [{ ...files, "model.safetensors": weights }, { ...files, "model.safetensors": others }];
}

/** Numbers of [0, 1). */
function chances(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Milliseconds in which a run ends, in one way or another. */
const DEADLINE = 30_000;

/**
 * One load while the hub misbehaves: it ends in time, in the bytes of one of the revisions or in a KvasmError, and what the store has then
 * are whole files; without faults the same store then gives the model. Returns what happened.
 */
export async function faultRun(hub: Hub, seed: number, folder: string): Promise<"loaded" | "refused"> {
  const random = chances(seed);
  const [first, second] = repositories();
  const id = `faults/run-${seed}`;
  hub.commit(id, first);
  const kinds = Object.keys(FAULTS);
  // One in four runs has one fault that does not go away.
  const only = random() < 0.25 ? kinds[Math.floor(random() * kinds.length)] : undefined;
  const rate = only === undefined ? 0.05 + 0.4 * random() : 1;
  const changesAt = random() < 0.2 ? Math.floor(random() * 8) : -1;
  let count = 0;
  const seen: string[] = [];
  hub.misbehave = (request, response, bytes, ordinary) => {
    if (count++ === changesAt) hub.commit(id, second);
    if (random() >= rate) return false;
    const kind = only ?? kinds[Math.floor(random() * kinds.length)];
    seen.push(kind);
    FAULTS[kind]({ request, response, bytes, random, ordinary });
    return true;
  };
  const cacheDir = join(folder, `run-${seed}`);
  const options = quickly({ endpoint: hub.endpoint, cacheDir, token: false as const }, { pieceBytes: 1 << 13, timing: { firstPause: 1, longest: 4, answer: 150, bytes: 150, mostAsked: 50 } });
  const where = (): string => `seed ${seed}: ${seen.join(", ")}`;
  const wholeOnly = async (): Promise<void> => assert.deepEqual((await verify(undefined, { cacheDir })).filter(({ isWhole }) => !isWhole), [], where());

  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Error(`pending after ${DEADLINE} ms, ${where()}`)), DEADLINE); });
  let outcome: "loaded" | "refused";
  try {
    const model = await Promise.race([load(id, { ...options }), late]);
    model.dispose();
    outcome = "loaded";
  } catch (error) {
    assert.ok(KvasmError.is(error), `${where()}: ${error instanceof Error ? error.stack : String(error)}`);
    outcome = "refused";
  } finally {
    clearTimeout(timer);
    hub.misbehave = undefined;
  }
  await wholeOnly();
  const after = await pull(id, { ...options });
  await wholeOnly();
  const size = after.files.find(({ path }) => path === "model.safetensors")?.digest.hex;
  assert.equal(size, hub.digest(id, "main", "model.safetensors"), where());
  (await load(id, { ...options, offline: true })).dispose();
  await rm(cacheDir, { recursive: true, force: true });
  return outcome;
}
