/** The worker that memory.mjs starts: loads a model from an address, fills its context and generates. */
import { load } from "./index.js";
import wasm from "./kvasm.wasm";

let model;

export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    try {
      if (pathname === "/idle") return Response.json({});
      const { from, ...options } = JSON.parse(searchParams.get("options"));
      model = await load(from, { ...options, wasm });
      const prompt = model.tokenizer.encode("Once upon a time there was a miller who had three sons, his mill, an ass, and a cat. ".repeat(60));
      const sequence = model.sequence();
      sequence.prefill(prompt.slice(0, model.contextLength - 16));
      let text = "";
      const stream = model.tokenizer.stream();
      while (sequence.length < model.contextLength) {
        const id = sequence.sample({ temperature: 0.8, topK: 40, seed: 7 });
        text += stream.push(id);
        sequence.decode(id);
      }
      const tokens = sequence.length;
      const ids = [...sequence.ids.slice(-16)];
      sequence.dispose();
      const verified = model.verify(prompt.slice(0, 6)).identical;
      return Response.json({ tokens, text, ids, verified, weights: model.weights, memory: model.memory });
    } catch (error) {
      return Response.json({ error: `${error.code ?? ""} ${error.stack ?? error}` }, { status: 500 });
    }
  },
};
