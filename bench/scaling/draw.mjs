/**
 * Draws bench/scaling/results.json: docs/scaling.svg (with Vega-Lite) and docs/scaling.md.
 *
 *   npm ci --ignore-scripts --prefix bench/scaling && node bench/scaling/draw.mjs
 */
import { readFileSync, writeFileSync } from "node:fs";
import * as vega from "vega";
import * as vegaLite from "vega-lite";

const at = (path) => new URL(path, import.meta.url);
const { system, inputs, sizes: all } = JSON.parse(readFileSync(at("results.json"), "utf8"));

const sizes = all.filter(({ weights }) => weights === "f32");

// ── the plot ──
const points = sizes.flatMap(({ name, parameters, decode, prefill }) => [
  ...decode.map((cost) => ({ size: name, parameters, measure: "decode", ...cost, ms: cost.milliseconds.median })),
  ...prefill.map((cost) => ({ size: name, parameters, measure: "prefill", ...cost, ms: cost.milliseconds.median })),
]);
const color = { field: "size", type: "nominal", sort: sizes.map(({ name }) => name), title: "model", scale: { scheme: "tableau10" }, legend: { orient: "bottom" } };
const lines = (x, y) => [
  { mark: { type: "line", point: { size: 30 } }, encoding: { x, y: { field: "ms", ...y }, color } },
  { mark: { type: "line", strokeDash: [3, 3], opacity: 0.7 }, encoding: { x, y: { field: "limit", ...y }, color } },
];
const panel = (title, measure, layer) => ({ title: { text: title, fontSize: 12 }, width: 280, height: 260, transform: [{ filter: `datum.measure === '${measure}'` }], layer });
const milliseconds = (scale) => ({ type: "quantitative", title: "milliseconds a token", scale });
const logTokens = (title) => ({ field: "tokens", type: "quantitative", title, scale: { type: "log", base: 2 }, axis: { values: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] } });

const measures = { "decode at 128": ["decode", 128], "decode at 896": ["decode", 896], "prefill of 128": ["prefill", 128], "prefill of 512": ["prefill", 512] };
const costOf = (size, title) => size[measures[title][0]].find(({ tokens }) => tokens === measures[title][1]);
const atSize = all.flatMap((size) => Object.keys(measures).map((title) => {
  const { milliseconds, limit } = costOf(size, title);
  return { title, weights: size.weights, millions: size.parameters / 1e6, ms: milliseconds.median, limit };
}));
const millions = { field: "millions", type: "quantitative", title: "million parameters", scale: { type: "log", domain: [70, 1800] }, axis: { values: [82, 124, 355, 774, 1558] } };
const weights = { field: "weights", type: "nominal", sort: ["f32", "q8", "q4"], title: "weights", scale: { scheme: "dark2" }, legend: { orient: "bottom" } };
const sizePanel = (title) => ({
  title: { text: `${title}, against the model's size`, fontSize: 12 }, width: 240, height: 260, data: { values: atSize }, transform: [{ filter: `datum.title === '${title}'` }],
  layer: [
    { mark: { type: "line", point: { size: 30 } }, encoding: { x: millions, y: { field: "ms", ...milliseconds({ type: "log" }) }, color: weights } },
    { mark: { type: "line", strokeDash: [3, 3], opacity: 0.7 }, encoding: { x: millions, y: { field: "limit", ...milliseconds({ type: "log" }) }, color: weights } },
  ],
});

const spec = {
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  background: "white",
  title: { text: "One token, one thread: measured (solid) and what memory or arithmetic alone would take (dashed)", anchor: "start", fontSize: 13 },
  data: { values: points },
  hconcat: [
    panel("decode against context, f32", "decode", lines({ field: "tokens", type: "quantitative", title: "tokens of context" }, milliseconds({ zero: true }))),
    panel("prefill against its rows, f32", "prefill", lines(logTokens("rows"), milliseconds({ type: "log" }))),
    sizePanel("decode at 128"),
    sizePanel("prefill of 512"),
  ],
  resolve: { scale: { color: "independent" } },
  config: { view: { stroke: "#ddd" }, axis: { gridColor: "#eee" } },
};
const view = new vega.View(vega.parse(vegaLite.compile(spec).spec), { renderer: "none", logger: vega.logger(vega.Warn) });
writeFileSync(at("../../docs/scaling.svg"), await view.toSVG() + "\n");

// ── the table ──
const cell = ({ milliseconds: { median }, limit }) => `${median.toFixed(median < 10 ? 2 : 1)} (${(100 * limit / median).toFixed(0)} %)`;
const table = (measure, head) => [
  `| ${head} | ${sizes.map(({ name }) => name).join(" | ")} |`,
  `|---|${sizes.map(() => "---|").join("")}`,
  ...sizes[0][measure].map(({ tokens }, row) => `| ${tokens} | ${sizes.map((size) => cell(size[measure][row])).join(" | ")} |`),
].join("\n");
const gigabytes = (value) => (value / 1e9).toFixed(1);
const bySize = [
  `| model | weights | memory, MiB | loading, s | ${Object.keys(measures).join(" | ")} | only reading, GB/s | peak, G/s |`,
  `|---|---|${Object.keys(measures).map(() => "---|").join("")}---|---|---|---|`,
  ...all.slice().sort((a, b) => a.parameters - b.parameters || (a.weights === "f32" ? -1 : b.weights === "f32" ? 1 : a.weights < b.weights ? 1 : -1)).map((size) =>
    `| ${size.name} | ${size.weights} | ${(size.memoryBytes / 2 ** 20).toFixed(0)} | ${size.loadSeconds.toFixed(1)} | ${Object.keys(measures).map((title) => cell(costOf(size, title))).join(" | ")} | ${gigabytes(size.readBytesPerSecond.median)} | ${gigabytes(size.peakPerSecond.median)} |`),
].join("\n");
const disturbed = Math.max(...all.flatMap(({ decode, prefill }) => [...decode, ...prefill]).map(({ othersCores }) => othersCores ?? 0));

writeFileSync(at("../../docs/scaling.md"), `# What a token costs

Milliseconds a token on one thread, and in brackets which share of them memory or arithmetic alone would take: reading every weight
and the cache once, or the multiplications and additions, whichever is longer (bench/README.md says how both are counted).

![milliseconds a token against context, rows and size](scaling.svg)

${system.runtime} ${system.version}, ${system.cpu}, ${system.cores} cores; random weights, cache in f32; medians of ${inputs.repetitions} prefills (${Math.ceil(inputs.repetitions / 2)} beyond 128 rows) and
${2 * inputs.repetitions} × ${inputs.decodeTokens} decode steps${disturbed > 0.1 ? `, during some of which other programs kept up to ${disturbed.toFixed(1)} cores busy` : ""}.

## By size, with weights in f32, int8 and int4

${bySize}

Memory has a cache of 1024 tokens for one sequence in f32. Loading makes the random numbers and rounds them, for int4 with a search for
each scale. Peak counts multiplications and additions: in f32 registers, for integers those of the 16-bit dot product. int4 is
kvasm.wasm's here; with kvasm.relaxed.wasm it is 1.3 to 1.8 times as fast (README.md).

## Decode, by tokens of context (f32)

${table("decode", "context")}

A step reads every weight once whatever the context, and the cache once: the cost is a straight line whose slope is the cache's
bytes a token.

## Prefill, by rows (f32)

${table("prefill", "rows")}

One row is a decode step; the weights are read once for all rows of a step, so a few rows cost little more than one, until
arithmetic is the limit. Beyond that a token's cost grows only with the tokens it attends to.

Made by \`node bench/run.mjs bench/commands/scaling.ts\` and \`node bench/scaling/draw.mjs\`; all figures: bench/scaling/results.json.
`);
