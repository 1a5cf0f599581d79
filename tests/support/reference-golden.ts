import type { Golden } from "../oracle/golden.ts";
import { fixtureText } from "./files.ts";

/** tests/fixtures/golden.json: see tests/oracle/record-golden.ts. */
export async function readGolden(): Promise<Golden> {
  return JSON.parse(await fixtureText("golden.json"));
}
