import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, assert, before, describe, it } from "../support/harness.ts";
import { FAULTS, faultRun } from "../support/hub-faults.ts";
import { Hub } from "../support/hub.ts";

/** node tests/hub/faults.mjs makes many more of them. */
const [RUNS, FIRST] = [Number(process.env.KVASM_HUB_RUNS ?? 40), Number(process.env.KVASM_HUB_SEED ?? 1)];

let hub: Hub;
let folder: string;

before(async () => {
  hub = await Hub.start();
  folder = await mkdtemp(join(tmpdir(), "kvasm-hub-faults-"));
});

after(async () => {
  await hub.close();
  await rm(folder, { recursive: true, force: true });
});

describe("a hub that misbehaves", () => {
  it(`at random points: ${RUNS} loads end in the right bytes or in an error that says why`, async () => {
    assert.ok(Object.keys(FAULTS).length > 25);
    const outcomes = { loaded: 0, refused: 0 };
    for (let seed = FIRST; seed < FIRST + RUNS; seed++) outcomes[await faultRun(hub, seed, folder)]++;
    console.log(`${outcomes.loaded} loaded, ${outcomes.refused} refused`);
    assert.ok(outcomes.loaded > RUNS / 4 && outcomes.refused > 0, JSON.stringify(outcomes));
  });
});
