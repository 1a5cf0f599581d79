import type { Others } from "./measure.ts";

/** Where a benchmark ran. */
export interface System {
  readonly runtime: string;
  readonly version: string;
  /** The engine's version where the runtime tells it. */
  readonly engine: string | null;
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number | null;
}

declare const Deno: { readonly version: { readonly deno: string; readonly v8: string } } | undefined;
declare const Bun: { readonly version: string } | undefined;

export async function describeSystem(): Promise<System> {
  const { cpus, totalmem } = await import("node:os");
  const processors = cpus();
  const common = {
    platform: `${process.platform} ${process.arch}`,
    cpu: processors[0]?.model.trim() || "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
  };
  if (typeof Deno !== "undefined") return { runtime: "Deno", version: Deno.version.deno, engine: `V8 ${Deno.version.v8}`, ...common };
  if (typeof Bun !== "undefined") return { runtime: "Bun", version: Bun.version, engine: "JavaScriptCore", ...common };
  return { runtime: "Node", version: process.versions.node, engine: `V8 ${process.versions.v8}`, ...common };
}

/** Cores that everything but this process kept busy since the last call; null where the system does not tell (Linux does). */
export async function watchOthers(): Promise<Others> {
  const { readFileSync } = await import("node:fs");
  const now = (): { busy: number; own: number; at: number } | null => {
    try {
      // user nice system idle iowait irq softirq steal, in hundredths of a second
      const ticks = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!.trim().split(/\s+/).slice(1).map(Number);
      const busy = (ticks[0]! + ticks[1]! + ticks[2]! + ticks[5]! + ticks[6]! + ticks[7]!) / 100;
      const { user, system } = process.cpuUsage();
      return { busy, own: (user + system) / 1e6, at: performance.now() / 1000 };
    } catch {
      return null;
    }
  };
  let last = now();
  return () => {
    const next = now();
    const before = last;
    last = next;
    if (!before || !next || next.at === before.at) return null;
    return Math.max(0, (next.busy - before.busy - (next.own - before.own)) / (next.at - before.at));
  };
}
