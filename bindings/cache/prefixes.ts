import type { Arena } from "../model/arena.ts";
import { unsigned } from "../wasm/memory.ts";

/** Whose pages may be shared with whom: those of the same salt. */
export type Salt = string | symbol | undefined;

/** What a page stands for: its own tokens, after all those of the pages above it. */
interface Known {
  readonly page: number;
  /** As many as the page has, or fewer where a sequence ended in it. */
  readonly ids: Uint32Array;
  readonly above: Branch;
  readonly below: Branch["below"];
}

interface Branch {
  /** By their ids, joined. */
  readonly below: Map<string, Known>;
}

export interface Prefix {
  readonly pages: readonly number[];
  /** Tokens. */
  readonly length: number;
}

/**
 * Pages that are known by the tokens up to their end, a tree for each salt, so that a sequence that begins with the same tokens can hold them
 * too. A known page that no sequence holds is idle; idle pages are given up, the least recently used first, where pages are short.
 */
export class Prefixes {
  readonly #arena: Arena;
  readonly #roots = new Map<Salt, Branch>();
  /** The least recently used first. */
  readonly #all = new Set<Known>();

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** The longest known prefix of `ids`, of at most `most` tokens. Its last page may have more tokens than it counts. */
  find(salt: Salt, ids: Uint32Array, most: number): Prefix {
    const size = this.#arena.pageTokens;
    const pages: number[] = [];
    let branch = this.#roots.get(salt);
    let length = 0;
    while (branch !== undefined && length < most) {
      const whole = length + size <= most ? branch.below.get(keyOf(ids.subarray(length, length + size))) : undefined;
      const [next, count] = whole !== undefined ? [whole, size] : longest(branch, ids.subarray(length, Math.min(most, length + size)));
      if (next === undefined) break;
      this.#touch(next);
      pages.push(next.page);
      length += count;
      branch = count === size ? next : undefined;
    }
    return { pages, length };
  }

  /**
   * A sequence's full pages are known from now on, with `isOver` also one that is partly filled: the sequence is not appended to any more. Where
   * the same tokens are known already it holds the known page, and its own is given back.
   */
  know(salt: Salt, slot: number, isOver: boolean): void {
    const { exports, header, pageTokens } = this.#arena;
    const ids = this.#arena.ids(slot);
    let branch: Branch | undefined = this.#roots.get(salt);
    for (let index = 0, from = 0; from < ids.length; index++, from += pageTokens) {
      const own = ids.subarray(from, from + pageTokens);
      if (own.length < pageTokens && (!isOver || (branch !== undefined && longest(branch, own)[1] === own.length))) return;
      if (branch === undefined) this.#roots.set(salt, branch = { below: new Map() });
      let known = branch.below.get(keyOf(own));
      if (known === undefined) {
        known = { page: exports.knownPage(header, slot, index), ids: own.slice(), above: branch, below: new Map() };
        branch.below.set(keyOf(own), known);
      } else exports.adoptedPage(header, slot, index, known.page);
      this.#touch(known);
      branch = known;
    }
  }

  /** Makes idle pages free, `count` or as many as there are. Returns how many. */
  giveUp(count: number): number {
    let given = 0;
    while (given < count) {
      const next = this.#firstIdle();
      if (next === undefined) break;
      this.#forget(next);
      given++;
    }
    return given;
  }

  /** Whatever is known under a salt is forgotten. */
  forget(salt: Salt): void {
    const root = this.#roots.get(salt);
    if (root === undefined) return;
    const all = (branch: Branch): Known[] => [...branch.below.values()].flatMap((known) => [...all(known), known]);
    for (const known of all(root)) this.#forget(known);
  }

  /** Whoever holds a page holds those above it; so of what is idle there is always one with nothing below. */
  #firstIdle(): Known | undefined {
    const { exports, header } = this.#arena;
    if (exports.idlePages(header) === 0) return undefined;
    for (const known of this.#all) {
      if (known.below.size === 0 && exports.pageHolders(header, known.page) === 0) return known;
    }
    return undefined;
  }

  #forget(known: Known): void {
    this.#all.delete(known);
    known.above.below.delete(keyOf(known.ids));
    this.#arena.exports.forgottenPage(this.#arena.header, known.page);
    for (const [salt, root] of this.#roots) if (root === known.above && root.below.size === 0) this.#roots.delete(salt);
  }

  #touch(known: Known): void {
    this.#all.delete(known);
    this.#all.add(known);
  }
}

function keyOf(ids: Uint32Array): string {
  return ids.join();
}

/** The page below that begins with most of `ids`, and how many. */
function longest(branch: Branch, ids: Uint32Array): [known: Known | undefined, count: number] {
  let best: Known | undefined;
  let most = 0;
  for (const known of branch.below.values()) {
    let count = 0;
    while (count < ids.length && known.ids[count] === ids[count]) count++;
    if (count <= most) continue;
    best = known;
    most = count;
  }
  return [best, most];
}

/** A slot that holds a known prefix of `ids`, their last token left out: its logits have to be computed. */
export function openSharing(arena: Arena, ids: Uint32Array, { pages, length }: Prefix): number {
  const { exports, header, memory } = arena;
  const staging = unsigned(exports.stagingAddress(header));
  memory.u32.set(pages, staging / 4);
  const slot = arena.checkSlot(exports.openSharing(header, staging, length));
  memory.u32.set(ids.subarray(0, length), unsigned(exports.sequenceIds(header, slot)) / 4);
  return slot;
}
