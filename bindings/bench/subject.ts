import type { Model, Sequence } from "../index.ts";
import { seconds } from "./measure.ts";
import { randomIds } from "./random-model.ts";
import type { Shape } from "./shapes.ts";

/** One sequence of a model that is measured. */
export class Subject {
  readonly model: Model;
  private readonly sequence: Sequence;
  private readonly ids: readonly number[];

  constructor(model: Model, shape: Shape) {
    this.model = model;
    this.sequence = model.sequence();
    this.ids = randomIds(shape.n_positions, shape.vocab_size);
  }

  /** Leaves the sequence with the first `length` ids. */
  fill(length: number): void {
    this.sequence.truncate(0);
    if (length > 0) this.sequence.prefill(this.ids.slice(0, length));
  }

  /** Seconds of a prefill from an empty cache. */
  prefillSeconds(rows: number): number {
    this.sequence.truncate(0);
    const ids = this.ids.slice(0, rows);
    return seconds(() => this.sequence.prefill(ids));
  }

  /** Seconds of `count` greedy steps after the first `context` tokens, as `generate` takes them: a token in, the best next one out. */
  decodeSeconds(context: number, count: number): number {
    this.sequence.truncate(context);
    return seconds(() => {
      let id = this.ids[0]!;
      for (let step = 0; step < count; step++) {
        this.sequence.append(id);
        id = this.sequence.sample({ temperature: 0 });
      }
    });
  }
}
