/**
 * From nothing to a token, by each engine, in a Node process and in a page alike. Plain JavaScript: a page takes it as it is.
 *
 * A job as types.ts has it. Returns { id, marks }: the token, and the milliseconds of the clock at which each step had ended.
 */
export async function firstToken(job) {
  const marks = {};
  const mark = (name) => { marks[name] = performance.timeOrigin + performance.now(); };
  const id = await ENGINES[job.engine](job, mark);
  mark("token");
  return { id, marks };
}

const ENGINES = {
  async kvasm({ library, source, ids }, mark) {
    const { load } = await import(library);
    mark("imported");
    const model = await load(source, { onProgress: () => mark("read") });
    mark("loaded");
    const sequence = model.sequence();
    sequence.prefill(ids);
    return sequence.sample({ temperature: 0 });
  },

  async "onnxruntime-web"({ library, source, ids, graph }, mark) {
    const ort = await import(library);
    mark("imported");
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = "error";
    // In Node the package reads paths; what is elsewhere has to be fetched first.
    const isFetched = typeof document === "undefined" && /^http:/.test(source);
    const model = isFetched ? new Uint8Array(await (await fetch(source)).arrayBuffer()) : source;
    mark("read");
    const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
    mark("loaded");
    const feeds = {
      input_ids: new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]),
      num_logits_to_keep: new ort.Tensor("int64", BigInt64Array.of(1n), []),
    };
    for (const name of graph.past) feeds[name] = new ort.Tensor("float32", new Float32Array(0), graph.size);
    const { data } = (await session.run(feeds)).logits;
    return data.reduce((best, logit, id) => logit > data[best] ? id : best, 0);
  },

  /** llama.cpp as WebAssembly, in pages only: the file is fetched as a Blob, which its worker reads. */
  async wllama({ library, source, prompt }, mark) {
    const { Wllama } = await import(library);
    mark("imported");
    const engine = new Wllama({ default: new URL("wasm/wllama.wasm", library).href }, { suppressNativeLog: true });
    const file = await (await fetch(source)).blob();
    mark("read");
    await engine.loadModel([file], { n_ctx: 1024, n_threads: 1, n_parallel: 1, n_gpu_layers: 0, flash_attn: false, cache_type_k: "f32", cache_type_v: "f32" });
    mark("loaded");
    const { choices } = await engine.createCompletion({ prompt, max_tokens: 1, temperature: 0, top_k: 1, samplers: ["top_k"], ignore_eos: true, stream: false, logprobs: 1 });
    return choices[0].logprobs.content[0].top_logprobs[0].id;
  },

  /** The bytes alone, thrown away: what the network, the browser and the disk take. */
  async reading({ source }, mark) {
    const body = /^http:/.test(source) ? (await fetch(source)).body : (await import("node:fs")).createReadStream(source, { highWaterMark: 1 << 20 });
    mark("imported");
    let bytes = 0;
    if (typeof body.getReader === "function") {
      const reader = body.getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) bytes += part.value.length;
    } else {
      for await (const chunk of body) bytes += chunk.length;
    }
    mark("read");
    return bytes;
  },
};
