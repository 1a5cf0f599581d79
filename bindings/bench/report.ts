import type { BenchResult, Compared } from "./bench.ts";
import type { Spread } from "./measure.ts";

const number = (value: number, digits: number): string => value.toFixed(digits);

/** "38.8 (36.1–39.0)": median, lowest and highest. */
export function shownSpread({ median, min, max }: Spread, unit = 1, digits = 1): string {
  return `${number(median / unit, digits)} (${number(min / unit, digits)}–${number(max / unit, digits)})`;
}

/** The result as lines for a person. */
export function benchReport(result: BenchResult): string {
  const { system, inputs, readStreams } = result;
  const { n_layer, n_embd, n_head } = inputs.shape;
  const integers = inputs.weights !== "f32";
  const compared = inputs.beside ? [`${inputs.beside}, tokens/s`, `${inputs.weights} / ${inputs.beside}`] : [];
  const rows: string[][] = [["", "tokens/s", "rate", "limit", "share of the limit", ...(integers ? ["G weights/s"] : []), ...compared]];
  const beside = (other: Compared | undefined, digits: number): string[] => other ? [shownSpread(other.tokensPerSecond, 1, digits), shownSpread(other.ratio, 1, 2)] : [];
  for (const { context, tokensPerSecond, bytesPerSecond, weightsPerSecond, roofline, share, beside: other } of result.decode) {
    rows.push([
      `decode at ${context}`, shownSpread(tokensPerSecond), `${shownSpread(bytesPerSecond, 1e9)} GB/s`, `${shownSpread(roofline, 1e9)} GB/s`, `${shownSpread(share, 0.01, 0)} %`,
      ...(integers ? [shownSpread(weightsPerSecond, 1e9)] : []), ...beside(other, 1),
    ]);
  }
  // In f32 both operations are counted, as is the custom; of integers the pairs, which one instruction does.
  const [unit, name] = integers ? [2e9, "G multiply-adds/s"] : [1e9, "GFLOP/s"];
  for (const { rows: prompt, tokensPerSecond, operationsPerSecond, roofline, share, beside: other } of result.prefill) {
    rows.push([
      `prefill of ${prompt}`, shownSpread(tokensPerSecond, 1, 0), `${shownSpread(operationsPerSecond, unit)} ${name}`, `${shownSpread(roofline, unit)} ${name}`, `${shownSpread(share, 0.01, 0)} %`,
      ...(integers ? [""] : []), ...beside(other, 0),
    ]);
  }
  const disturbances = [...result.decode, ...result.prefill].map(({ disturbance }) => disturbance);
  const others = Math.max(...disturbances.map(({ othersCores }) => othersCores ?? 0));
  const setAside = disturbances.reduce((sum, one) => sum + one.setAside, 0);
  return [
    `${inputs.model}: ${n_layer} layers of ${n_embd}, ${n_head} heads, ${number(inputs.parameters / 1e6, 1)} M parameters in ${inputs.weights}, cache in ${inputs.cache}, ${inputs.relaxedSimd ? "relaxed SIMD" : "plain SIMD"}, one thread`,
    `${system.runtime} ${system.version} (${system.engine}), ${system.cpu}, ${system.cores} cores, ${system.platform}`,
    `checked: ${result.check.tokens} tokens computed in every way give the same bits`,
    "",
    ...aligned(rows),
    "",
    `median (lowest–highest) of ${inputs.repetitions} prefills and ${4 * inputs.repetitions} × ${inputs.decodeTokens} decode steps, in turns with the limits:`,
    `decode's is only reading as many bytes (${readStreams.used} streams), prefill's ${integers ? "the 16-bit dot product" : "multiply and add"} in registers.`,
    `not counted: ${result.excluded.what} (${number(result.excluded.prefill.seconds * 1000, 0)} ms)`,
    ...(setAside > 0 ? [`${setAside} more repetitions were set aside because other programs computed meanwhile`] : []),
    ...(others > 0.1 ? [`in those counted they still kept up to ${number(others, 2)} cores busy: expect better figures without them`] : []),
  ].join("\n");
}

function aligned(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join("  "));
}
