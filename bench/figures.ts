import type { BenchResult } from "../bindings/bench/bench.ts";
import type { Spread } from "../bindings/bench/measure.ts";
import type { PeerResult } from "./peers/beside.ts";

/** What bench/commands/first-token.ts prints with --json. */
export interface FirstTokenResult {
  readonly milliseconds: Spread;
  readonly parts: Readonly<Record<string, Spread>>;
}

export interface Figures {
  readonly own: readonly BenchResult[];
  readonly peers: readonly PeerResult[];
  readonly firstToken: FirstTokenResult | null;
}

const table = (rows: readonly (readonly string[])[]): string =>
  [rows[0]!, rows[0]!.map(() => "---"), ...rows.slice(1)].map((row) => `| ${row.join(" | ")} |`).join("\n");
const percent = ({ median }: Spread): string => `${(100 * median).toFixed(0)} %`;
const shown = ({ median }: Spread): string => median.toFixed(median < 10 ? 1 : 0);
const ratio = ({ median }: Spread): string => `${median.toFixed(2)} ×`;
const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** All figures as Markdown tables: tokens per second, and shares and ratios of the same run. */
export function figuresMarkdown({ own, peers, firstToken }: Figures): string {
  const sections: string[] = [];
  const { system } = (own[0] ?? peers[0]) ?? {};
  if (system) sections.push(`${system.runtime} ${system.version} (${system.engine}), ${system.cpu}, ${system.cores} cores, ${system.platform}; one thread.`);
  if (own.length) sections.push(ownTable(own), comparedTable(own));
  if (peers.length) sections.push(peerTable(peers, system!.runtime));
  if (firstToken) {
    sections.push(table([
      ["from starting a Node process, embedded model", "ms"], ["first token", shown(firstToken.milliseconds)],
      ...Object.entries(firstToken.parts).map(([name, time]) => [`– ${name.trim()}`, time.median.toFixed(1)]),
    ]));
  }
  const busy = Math.max(0, ...[...own.flatMap(({ decode, prefill }) => [...decode, ...prefill]), ...peers.flatMap(({ results }) => results)]
    .map(({ disturbance }) => disturbance.othersCores ?? 0));
  if (busy > 0.1) sections.push(`Other programs kept up to ${busy.toFixed(2)} cores busy meanwhile.`);
  return sections.filter(Boolean).join("\n\n");
}

/** One row for each pair of types: tokens per second, and the share of the limit. */
function ownTable(own: readonly BenchResult[]): string {
  const contexts = unique(own.flatMap(({ decode }) => decode.map(({ context }) => context)));
  const prompts = unique(own.flatMap(({ prefill }) => prefill.map(({ rows }) => rows)));
  return table([
    ["weights", "cache", ...contexts.map((context) => `decode at ${context}, tokens/s (share of read)`), `G weights/s at ${contexts[0]}`, ...prompts.map((rows) => `prefill of ${rows}, tokens/s (share of peak)`)],
    ...own.map(({ inputs, decode, prefill }) => [
      inputs.weights, inputs.cache,
      ...contexts.map((context) => decode.find((one) => one.context === context)).map((one) => one ? `${shown(one.tokensPerSecond)} (${percent(one.share)})` : ""),
      decode[0] ? (decode[0].weightsPerSecond.median / 1e9).toFixed(1) : "",
      ...prompts.map((rows) => prefill.find((one) => one.rows === rows)).map((one) => one ? `${shown(one.tokensPerSecond)} (${percent(one.share)})` : ""),
    ]),
  ]);
}

/** The ratios of kvasm's own weight types. */
function comparedTable(own: readonly BenchResult[]): string {
  const rows = own.filter(({ inputs }) => inputs.beside).map(({ inputs, decode, prefill }) => [
    `${inputs.weights} / ${inputs.beside}, cache ${inputs.cache}`,
    [
      ...decode.map(({ context, beside }) => `decode at ${context} ${ratio(beside!.ratio)}`),
      ...prefill.map(({ rows, beside }) => `prefill of ${rows} ${ratio(beside!.ratio)}`),
    ].join(", "),
  ]);
  return rows.length ? table([["in turns", "tokens/s of the first over those of the second"], ...rows]) : "";
}

/** A row says where kvasm ran if that is not where most of the figures are from. */
function peerTable(peers: readonly PeerResult[], here: string): string {
  const columns = unique(peers.flatMap(({ results }) => results.map(({ measure, tokens }) => `${measure} ${measure === "decode" ? "at" : "of"} ${tokens}`)));
  return table([
    ["peer", "kvasm's weights, cache", ...columns.map((column) => `${column}: kvasm, peer, ratio`)],
    ...peers.map(({ system, peer, inputs, results }) => [
      `${peer.name} ${peer.version} (${peer.settings})`, `${inputs.weights}, ${inputs.cache}${system.runtime === here ? "" : `, in ${system.runtime} ${system.version}`}`,
      ...columns.map((column) => {
        const one = results.find(({ measure, tokens }) => column === `${measure} ${measure === "decode" ? "at" : "of"} ${tokens}`);
        return one ? `${shown(one.kvasm)}, ${shown(one.peer)}, **${ratio(one.ratio)}**` : "";
      }),
    ]),
  ]);
}
