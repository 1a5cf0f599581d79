/** Models whose module errs on purpose: some of its exports are replaced, behind a model that `load` of the sources gave. */
import type { Arena } from "../../bindings/model/arena.ts";
import { lifetimeOf } from "../../bindings/model/model.ts";
import type { Model } from "../../bindings/model/model.ts";
import { Region } from "../../bindings/wasm/exports.ts";
import type { KvasmExports } from "../../bindings/wasm/exports.ts";

/** From now on the model's module has these exports in the place of its own. */
export function injectFault(model: Model, fault: (real: KvasmExports, arena: Arena) => Partial<KvasmExports>): void {
  const arena = lifetimeOf(model).value;
  const { exports } = arena;
  (arena as { exports: KvasmExports }).exports = { ...exports, ...fault(exports, arena) };
}

const padded = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** The tables of the page pool, u32 indices into memory; assembly/memory/layout.ts. */
export class PageTables {
  readonly #arena: Arena;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  get #freeList(): number {
    return (this.#arena.exports.regionAddress(this.#arena.header, Region.tables) >>> 0) / 4;
  }

  /** The page that holds a token of a slot. */
  pageOf(slot: number, token: number): number {
    const { exports, header, memory, contextLength, pageTokens } = this.#arena;
    const table = (exports.sequenceIds(header, slot) >>> 0) - padded((4 + Math.ceil(contextLength / pageTokens)) * 4) + 16;
    return memory.u32[table / 4 + Math.floor(token / pageTokens)];
  }

  /** The page that will be handed out next is this one, held or not. */
  handOut(page: number): void {
    this.#arena.memory.u32[this.#freeList + this.#arena.freePages - 1] = page;
  }

  /** Nobody but one seems to hold the page. */
  forgetHolders(page: number): void {
    this.#arena.memory.u32[this.#freeList + padded(this.#arena.pages * 4) / 4 + page] = 1;
  }

  /** Numbers of the pages that nobody holds. */
  free(): number[] {
    return [...this.#arena.memory.u32.subarray(this.#freeList, this.#freeList + this.#arena.freePages)];
  }
}

/** A region as bytes; not kept over a growth of memory. */
export function regionOf({ exports, header, memory }: Arena, region: keyof typeof Region): Uint8Array {
  const start = exports.regionAddress(header, Region[region]) >>> 0;
  return memory.u8.subarray(start, start + (exports.regionBytes(header, Region[region]) >>> 0));
}
