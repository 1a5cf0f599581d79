/** Space is asked for before files are downloaded, of all of them together; in the store of browsers, which memory is enough for. */
import { MemoryShelf } from "../../bindings/hub/browser/memory-shelf.ts";
import { ShelfStore } from "../../bindings/hub/browser/store.ts";
import { load } from "../../bindings/index.ts";
import { after, assert, before, describe, it, sameBits } from "../support/harness.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { quickly, shardedRepository } from "../support/hub-models.ts";
import { Hub } from "../support/hub.ts";

let hub: Hub;
before(async () => { hub = await Hub.start(); });
after(() => hub.close());

class Small extends ShelfStore {
  free = 0;

  override async space(): Promise<{ free: number }> {
    return { free: this.free };
  }
}

describe("the space for a model", () => {
  it("is that of all its files, less what is here", async () => {
    const files = await shardedRepository();
    hub.commit("owner/sharded", files);
    const store = new Small(new MemoryShelf());
    const options = () => quickly({ endpoint: hub.endpoint, token: false as const }, { store });
    const sizes = Object.entries(files).filter(([name]) => name.endsWith(".safetensors")).map(([, bytes]) => bytes.length);
    const needed = sizes.reduce((sum, size) => sum + size, 0);
    // Enough for each of them.
    store.free = needed - 1;
    const error = await rejectsKvasm(() => load("owner/sharded", options()), "space", "source");
    assert.equal(error.value, needed);
    assert.ok(error.message.includes(String(needed)) && error.message.includes(String(needed - 1)), error.message);
    assert.ok(hub.requests.every(({ server }) => server === "hub"), "no file of weights was asked for");
    store.free = needed;
    const model = await load("owner/sharded", options());
    const logits = model.sequence().prefill([1, 2, 3]);
    model.dispose();
    // All is here: no space is needed any more.
    store.free = 0;
    hub.forget();
    const again = await load("owner/sharded", { ...options(), offline: true });
    sameBits(again.sequence().prefill([1, 2, 3]), logits);
    again.dispose();
    assert.equal(hub.requests.length, 0);
  });
});
