/**
 * From nothing to a token, by each engine, in a Node process and in a page alike. Plain JavaScript: a page takes it as it is.
 *
 * A job: { engine, library (URL of the engine's module), source (URL or path), ids, graph? }. Returns { id, parts }, where parts are the
 * milliseconds of the clock at which each step had ended.
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
