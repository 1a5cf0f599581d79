/** What generate is made of, alone: stop strings over pieces of text, and the sizes of a prompt's chunks. */
import fc from "fast-check";
import { nextSize } from "../../bindings/model/chunks.ts";
import { pause } from "../../bindings/model/pause.ts";
import { StopMatcher } from "../../bindings/generate/stops.ts";
import { assert, describe, it } from "../support/harness.ts";

describe("stop strings", () => {
  /** What is shown in the end, and where it stopped. */
  function through(stops: readonly string[], pieces: readonly string[]): { text: string; stopped: boolean } {
    const matcher = new StopMatcher(stops);
    let shown = "";
    for (const piece of pieces) {
      const { text, stopped } = matcher.push(piece);
      shown += text;
      if (stopped) return { text: shown, stopped };
    }
    return { text: shown + matcher.flush(), stopped: false };
  }

  /** The definition, character by character: the first end of a match counts, of several that end there the longest. */
  function defined(stops: readonly string[], text: string): { text: string; stopped: boolean } {
    for (let end = 1; end <= text.length; end++) {
      const matching = stops.filter((stop) => text.slice(0, end).endsWith(stop));
      if (matching.length > 0) return { text: text.slice(0, end - Math.max(...matching.map(({ length }) => length))), stopped: true };
    }
    return { text, stopped: false };
  }

  // Few letters, so that strings overlap and repeat.
  const word = (minLength: number, maxLength: number) => fc.string({ unit: fc.constantFrom("a", "b", "🦊"), minLength, maxLength });
  const stops = fc.array(word(1, 4), { maxLength: 3 });
  const pieces = fc.array(word(0, 4), { maxLength: 8 });

  it("are found where the definition says, however the text is cut", () => {
    fc.assert(fc.property(stops, pieces, (stops, pieces) => {
      assert.deepEqual(through(stops, pieces), defined(stops, pieces.join("")));
    }), { seed: 20260611, numRuns: 2000 });
  });

  it("are never shown in part, and text is held back no longer than needed", () => {
    fc.assert(fc.property(stops, pieces, (stops, pieces) => {
      const matcher = new StopMatcher(stops);
      let given = "";
      let shown = "";
      for (const piece of pieces) {
        const { text, stopped } = matcher.push(piece);
        given += piece;
        shown += text;
        if (stopped) return;
        const held = given.slice(shown.length);
        assert.equal(shown + held, given);
        assert.ok(held === "" || stops.some((stop) => stop.startsWith(held) && stop !== held), `${held} is held back for nothing`);
        assert.ok(!stops.some((stop) => stop.length > held.length && [...Array(stop.length).keys()].some((n) => n > held.length && given.endsWith(stop.slice(0, n)))), "too little is held back");
      }
    }), { seed: 20260611, numRuns: 2000 });
  });

  it("would be missed by a search in each piece alone", () => {
    const naive = (stop: string, pieces: readonly string[]) => pieces.some((piece) => piece.includes(stop));
    assert.equal(naive("fox", ["f", "ox"]), false);
    assert.deepEqual(through(["fox"], ["f", "ox"]), { text: "", stopped: true });
  });
});

describe("the size of a prompt's next chunk", () => {
  /** Sizes one after another on a machine that takes `time(size)` milliseconds. */
  function sizes(first: number, time: (size: number) => number, count = 40): number[] {
    const all = [first];
    while (all.length < count) all.push(nextSize(all.at(-1)!, all.at(-1)!, time(all.at(-1)!), 64));
    return all;
  }

  it("settles where a chunk takes less than 50 ms, and not far below", () => {
    // A fixed part, the reading of the weights, and one for each token.
    for (const [fixed, each] of [[0, 0.1], [0, 1], [5, 2], [20, 2.5], [20, 8], [0, 20], [30, 10]]) {
      for (const first of [1, 2, 16, 64]) {
        const settled = sizes(first, (size) => fixed + each * size).slice(-10);
        for (const size of settled) {
          assert.ok(size === 1 || fixed + each * size <= 50, `${size} tokens take ${fixed + each * size} ms`);
          assert.ok(size <= 64);
        }
        const most = Math.min(64, Math.max(1, (35 - fixed) / each));
        assert.ok(Math.max(...settled) >= most * 0.6 - 2, `${settled} of ${most} (${fixed} + ${each} a token)`);
      }
    }
  });

  it("falls at once when a chunk was slow", () => {
    assert.ok(nextSize(64, 64, 640, 64) <= 4);
    assert.equal(nextSize(1, 1, 1000, 64), 1);
    assert.equal(nextSize(2, 2, 1000, 64), 1);
  });

  it("stays where nothing is known: a clock that stands still, a short rest", () => {
    assert.equal(nextSize(16, 16, 0, 64), 16);
    assert.equal(nextSize(16, 3, 1, 64), 16);
    assert.ok(nextSize(16, 3, 100, 64) < 16);
  });

  it("is even, or one", () => {
    fc.assert(fc.property(fc.constantFrom(1, 2, 4, 10, 26, 64), fc.double({ min: 0, max: 1e4, noNaN: true }), (size, milliseconds) => {
      const next = nextSize(size, size, milliseconds, 64);
      assert.ok(next === 1 || (next % 2 === 0 && next >= 2 && next <= 64), `${next}`);
    }), { seed: 20260611 });
  });
});

describe("pause", () => {
  it("lets timers and other tasks in, many times a second", async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const began = performance.now();
    let count = 0;
    while (ticks < 3 && performance.now() - began < 5000) {
      await pause();
      count++;
    }
    clearInterval(timer);
    assert.equal(ticks >= 3, true, "timers did not come");
    assert.ok(count >= 3);
  });

  it("answers each one who waits", async () => {
    const order: number[] = [];
    await Promise.all([1, 2, 3].map((n) => pause().then(() => order.push(n))));
    assert.deepEqual(order, [1, 2, 3]);
  });
});
