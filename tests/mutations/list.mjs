/**
 * Programs that are wrong in one place: in `file`, `from` (which stands there once) becomes `to`, and the suites whose names contain
 * `suite` have to fail. `short`: among the few that every run of continuous integration tries.
 */
export const MUTATIONS = [
  // ── files ──
  {
    name: "int4: one scale for a whole row where a file is loaded as f32", short: true, suite: "quantized-files", file: "bindings/model/dequantize.ts",
    from: "output * groups + Math.floor(input / GROUP)]", to: "output * groups]",
  },
  {
    name: "a damaged number is named by its place in a piece", suite: "contract", file: "bindings/model/packing.ts",
    from: "value: first + bad }", to: "value: bad }",
  },
  {
    name: "a tensor's number of the bindings is another's", suite: "contract", file: "bindings/wasm/exports.ts",
    from: "lnFGain: contract.LN_F_GAIN, lnFBias: contract.LN_F_BIAS,", to: "lnFGain: contract.LN_F_BIAS, lnFBias: contract.LN_F_GAIN,",
  },
  {
    name: "torch: checksums of an archive are not compared", short: true, suite: "torch-parts", file: "bindings/weights/torch/archive.ts",
    from: "if (stored !== (this.#hasChecksums ? sum : 0))", to: "if (stored < 0)",
  },
  {
    name: "torch: a pickle may name what it likes", suite: "torch", file: "bindings/weights/torch/state-dict.ts",
    from: "return Object.hasOwn(STORAGES, name) || CALLED.includes(name);", to: "return Object.hasOwn(STORAGES, name) || CALLED.includes(name) || name !== \"\";",
  },
  {
    name: "torch: a transposed matrix is taken as it lies", suite: "torch", file: "bindings/weights/torch/views.ts",
    from: "if (shape[i] !== 1 && strides[i] !== step) return false;", to: "if (shape[i] !== 1 && strides[i] < 0) return false;",
  },
  {
    name: "torch: a tensor may reach beyond its storage", suite: "torch-parts", file: "bindings/weights/torch/state-dict.ts",
    from: "if (!(end <= storage.elements))", to: "if (end < 0)",
  },
  {
    name: "torch: the archive's directory is not compared", suite: "torch-parts", file: "bindings/weights/torch/directory.ts",
    from: "    if (!isSame) fail(\"weights\", `${shown(name)} is not", to: "    if (!isSame && entry === undefined) fail(\"weights\", `${shown(name)} is not",
  },
  // ── a hub's files in a browser ──
  {
    name: "browser storage: a part that was cut off counts", suite: "hub-shelf", file: "bindings/hub/browser/blob-parts.ts",
    from: "if (bytes === end - begin && bytes > 0 && end <= size)", to: "if (bytes > 0 && end <= size)",
  },
  {
    name: "browser storage: what was not compared with its digest is whole", suite: "hub-shelf", file: "bindings/hub/browser/blob-parts.ts",
    from: "  if (!await isMarked(shelf, `${folder}/${WHOLE}`, file)) return false;\n", to: "",
  },
  // ── verify ──
  {
    name: "verify: the first sequence does not write after the fork did", short: true, suite: "verify-faults", file: "bindings/model/verify.ts",
    from: "    first.appendOne(run.others[half]);\n    run.observe(fork, half + 1, run.ids.length);", to: "    run.observe(fork, half + 1, run.ids.length);",
  },
  {
    name: "verify: the redone tokens are one step", suite: "verify-faults", file: "bindings/model/verify.ts",
    from: "    run.observe(slot, half, half + 1);\n    run.observe(slot, half + 1, run.ids.length);", to: "    run.observe(slot, half, run.ids.length);",
  },
  {
    name: "verify: the last token's own logits are not compared", suite: "verify-faults", file: "bindings/model/verify.ts",
    from: "[[actual.logits, expected.logits], [run.last, reference.last]]", to: "[[actual.logits, expected.logits]]",
  },
  {
    name: "verify: the engine is not checked again", suite: "verify-faults", file: "bindings/model/verify.ts",
    from: "  checkArithmetic(model.value.exports.checkEngine());\n", to: "  void checkArithmetic;\n",
  },
  {
    name: "verify: wrong known answers are no difference", suite: "known-answers", file: "bindings/model/verify.ts",
    from: "report.identical && knownAnswers", to: "report.identical",
  },
  {
    name: "known answers: any will do", suite: "known-answers", file: "bindings/model/known-answers.ts",
    from: "fingerprint(this.#recorder.result) === expected", to: "fingerprint(this.#recorder.result) >= Math.min(0, expected)",
  },
  // ── memory ──
  {
    name: "a chunk of a prompt has as many tokens as a step", suite: "contract", file: "bindings/model/chunks.ts",
    from: "const MOST_TOKENS = 64;", to: "const MOST_TOKENS = 128;",
  },
  {
    name: "model.memory: logits and sampler are exchanged", suite: "contract", file: "assembly/memory/layout.ts",
    from: "    case REGION_LOGITS: return h.logitsRegionBytes;\n    default: return h.samplerBytes;", to: "    case REGION_LOGITS: return h.samplerBytes;\n    default: return h.logitsRegionBytes;",
  },
  {
    name: "a page that is shared is not copied", short: true, suite: "verify", file: "assembly/cache/sequences.ts",
    from: "  return isShared(h, load<u32>(pageTable(h, slot) + (<usize>(length / PAGE_TOKENS) << 2))) ? 1 : 0;", to: "  return 0;",
  },
  {
    name: "every entry of a step stores its keys at the first one's position", short: true, suite: "step", file: "assembly/model/step.ts",
    from: "    entry.start = lengthOf(h, entry.slot);", to: "    entry.start = lengthOf(h, entryAt(h, 0).slot);",
  },
  {
    name: "rows of logits stay their owners' when a sequence goes on without", suite: "step", file: "assembly/model/step.ts",
    from: "    releaseLogits(h, entry.slot);\n", to: "",
  },
  {
    name: "a failed step of several leaves the pages of all but the last", suite: "step", file: "assembly/model/step.ts",
    from: "for (let i = <i32>h.stepEntries - 1; i >= 0; i--)", to: "for (let i = <i32>h.stepEntries - 1; i >= <i32>h.stepEntries - 1; i--)",
  },
  {
    name: "a prompt that was computed in parts has its logits before its last token", suite: "concurrent", file: "bindings/generate/schedule.ts",
    from: "return at + rows === ids.length ? MODE_LAST : MODE_NONE;", to: "return at + rows === ids.length - 1 ? MODE_LAST : MODE_NONE;",
  },
  {
    name: "slots are as memory was", suite: "poison", file: "assembly/cache/sequences.ts",
    from: "memory.fill(slotAddress(h, i), 0, <usize>SLOT_FIELDS << 2)", to: "store<u32>(slotAddress(h, i), 0)",
  },
  {
    name: "a slot that was closed owns the logits", suite: "poison", file: "assembly/index.ts",
    from: "  releaseLogits(headerOf(model), slot);\n", to: "",
  },
  {
    name: "the kept row outlives its token", suite: "poison", file: "assembly/cache/sequences.ts",
    from: "  if (length < load<u32>(s, 8)) store<u32>(s, 0, 8);\n", to: "",
  },
  {
    name: "counts of tokens begin as memory was", suite: "poison", file: "assembly/index.ts",
    from: "  memory.fill(h.counts, 0, <usize>h.vocab << 2); //", to: "  //",
  },
  {
    name: "a distribution's history stays", suite: "poison", file: "assembly/sampler/choose.ts",
    from: "  clearHistory(model);\n  return kept;", to: "  return kept;",
  },
  {
    name: "int8 cache: 0 times the scale of a token that is not there", suite: "poison", file: "assembly/kernels/q8/attention.ts",
    from: "v128.and(f32x4.mul(x, v128.load(s + i)), f32x4.ne(x, f32x4.splat(0)))", to: "f32x4.mul(x, v128.load(s + i))",
  },
  {
    name: "f32 cache: values are read to the end of the page", suite: "poison", file: "assembly/kernels/attention.ts",
    from: "    const tokens = <usize>min(16, count - t);\n    const resume", to: "    const tokens: usize = 16;\n    const resume",
  },
  {
    name: "softmax: scores behind the last token count for the maximum", suite: "poison", file: "assembly/kernels/softmax.ts",
    from: "v128.bitselect(f32x4.mul(v128.load(p), factor), m0, lanesBelow(0, left))", to: "f32x4.mul(v128.load(p), factor)",
  },
  // ── saved sequences ──
  {
    name: "a saved page has another sequence's tokens behind its own", suite: "saving", file: "bindings/cache/save.ts",
    from: "const full = Math.floor(tokens / pageTokens);", to: "const full = Math.ceil(tokens / pageTokens);",
  },
  {
    name: "restoring: any pages will do", short: true, suite: "saving", file: "bindings/cache/restore.ts",
    from: "getBigInt64(0, true) !== sum) throw", to: "getBigInt64(0, true) !== sum && sum === 0n) throw",
  },
  {
    name: "restoring: any weights will do", suite: "saving", file: "bindings/cache/format.ts",
    from: "saved.weightsSum !== weightsSum()", to: "saved.weightsSum !== weightsSum() && saved.tokens === 0",
  },
  {
    name: "restoring: a NaN may be in the pages", suite: "saving", file: "bindings/cache/restore.ts",
    from: "=== 0) isFinite = false;", to: "=== 7) isFinite = false;",
  },
  {
    name: "restoring: what was taken is not given back", suite: "saving", file: "bindings/cache/restore.ts",
    from: "if (!isWhole) slot.close();", to: "if (isWhole) void slot;",
  },
  {
    name: "saving to a stream: no fork stays", suite: "saving-streams", file: "bindings/cache/save-to.ts",
    from: "const fork = slot.fork();", to: "const fork = slot;",
  },
  {
    name: "a checksum of the first half of each stripe", suite: "saving", file: "assembly/kernels/checksum.ts",
    from: "    e = round(e, v128.load(x, 64)); f = round(f, v128.load(x, 80)); g = round(g, v128.load(x, 96)); i = round(i, v128.load(x, 112));\n", to: "",
  },
  {
    name: "saved: places that no token is written to hold what memory held", suite: "saving", file: "assembly/cache/pages.ts",
    from: "  if (h.headSize & 15) memory.fill(h.pagePool, 0, h.pagePoolBytes);\n", to: "",
  },
  {
    name: "score: a token counts in the last window that it is in", suite: "score", file: "bindings/model/score.ts",
    from: "    first = end;", to: "    first = begin + stride + 1;",
  },
  // ── shared prefixes ──
  {
    name: "prefixes: a known page is written to", suite: "prefixes", file: "assembly/cache/pages.ts",
    from: "{ return load<u32>(countOf(h, page)) > 1; }", to: "{ return holdersOf(h, page) > 1; }",
  },
  {
    name: "prefixes: a page that is shared in part counts as whole", short: true, suite: "prefixes", file: "bindings/cache/prefixes.ts",
    from: "longest(branch, ids.subarray(length, Math.min(most, length + size)))", to: "[[...branch.below.values()][0], Math.min(size, most - length)]",
  },
  {
    name: "prefixes: the salt is not looked at", suite: "prefixes", file: "bindings/cache/sharing.ts",
    from: "prefixCache ? { salt: cacheSalt } : null", to: "prefixCache ? { salt: undefined } : null",
  },
  {
    name: "prefixes: the last used is given up first", suite: "prefixes", file: "bindings/cache/prefixes.ts",
    from: "for (const known of this.#all) {", to: "for (const known of [...this.#all].reverse()) {",
  },
  {
    name: "prefixes: pages in use are given up", suite: "prefixes", file: "bindings/cache/prefixes.ts",
    from: "known.below.size === 0 && exports.pageHolders(header, known.page) === 0", to: "known.below.size === 0",
  },
  {
    name: "prefixes: own pages are kept beside known ones", suite: "prefixes", file: "bindings/cache/prefixes.ts",
    from: "} else exports.adoptedPage(header, slot, index, known.page);", to: "}",
  },
  // ── a hub's models ──
  {
    name: "hub: bytes are not compared with the digest", short: true, suite: "hub-faults", file: "bindings/hub/download.ts",
    from: "if (hex === file.digest.hex) {", to: "if (hex.length > 0) {",
  },
  {
    name: "hub: the token goes where the hub sends us", suite: "hub.host", file: "bindings/hub/requests.ts",
    from: "const own = isHub && connection.token", to: "const own = connection.token",
  },
  {
    name: "hub: the revision is written down before its files are here", suite: "hub.host", file: "bindings/hub/pull.ts",
    from: "  const slots = new Slots(CONNECTIONS);", to: "  if (!isCommit(revision)) await store.setReference(repository, revision, commit);\n  const slots = new Slots(CONNECTIONS);",
  },
  {
    name: "hub: a journal of another length counts", suite: "hub-folder", file: "bindings/hub/folder/partial.ts",
    from: "intent.kvasm !== 1 || intent.size !== file.size", to: "intent.kvasm !== 1",
  },
  // ── guesses ──
  {
    name: "guesses: penalties count what was guessed behind", suite: "guessing", file: "bindings/model/slot.ts",
    from: "next(logits, row, before + row + 1)", to: "next(logits, row, before + ids.length)",
  },
  {
    name: "guesses: a wrong one stays in the sequence", short: true, suite: "guessing", file: "bindings/model/arena.ts",
    from: "this.truncate(slot, before + rows);", to: "this.truncate(slot, Math.min(this.length(slot), before + rows + 1));",
  },
  {
    name: "processors: the sampler reads the row as it was", short: true, suite: "processors", file: "bindings/generate/drawing.ts",
    from: "slot.drawFrom(row, this.#sampler", to: "slot.drawFrom(logits, this.#sampler",
  },
  {
    name: "constrain: a token counts by its first byte", short: true, suite: "constrain", file: "bindings/constrain/constraint.ts",
    from: "if (places.length <= bytes.length ||", to: "if (places.length <= 1 ||",
  },
  {
    name: "constrain: a character may be anything once it has begun", suite: "constrain", file: "bindings/constrain/place.ts",
    from: "? { state, bits, missing, least } : null;", to: "|| true ? { state, bits, missing, least } : null;",
  },
  {
    name: "constrain: a text may end before it is whole", suite: "constrain", file: "bindings/constrain/constraint.ts",
    from: "return this.#place.missing === 0 && this.#place.state.isFinal;", to: "return this.#place.missing === 0;",
  },
  {
    name: "topLogprobs: of equal logits the higher id comes first", suite: "top-logprobs", file: "assembly/sampler/log-probability.ts",
    from: "<< 2)) << 2)) < logit) at--;", to: "<< 2)) << 2)) <= logit) at--;",
  },
  {
    name: "processors: ids of guesses that stand behind the row", suite: "processors", file: "bindings/generate/drawing.ts",
    from: "slot.ids.subarray(0, length)", to: "slot.ids.subarray(0, length + 1)",
  },
  {
    name: "guesses: the next token is drawn at the same position", suite: "guessing", file: "bindings/generate/guesses.ts",
    from: "sampler, position + row, length, logprobs)", to: "sampler, position + (row >> 1), length, logprobs)",
  },
  {
    name: "guesses: one that is wrong is taken", suite: "guessing", file: "bindings/model/slot.ts",
    from: "drawn.at(-1)!.id === ids[drawn.length]);", to: "(drawn.at(-1)!.id === ids[drawn.length] || drawn.length === 1));",
  },
  {
    name: "threads: nobody waits at barriers", short: true, suite: "threads", file: "assembly/threads/barrier.ts",
    from: "if (parts > 1) meet(h, parts);", to: "if (parts > 8) meet(h, parts);",
  },
  {
    name: "threads: a row's integers are read before all are there", suite: "threads", file: "assembly/model/linear.ts",
    from: "    barrier(h);\n    x = h.integers;", to: "    x = h.integers;",
  },
  {
    name: "threads: all work in one scratch", suite: "threads", file: "assembly/memory/thread-scratch.ts",
    from: "h.scratch + <usize>part * h.scratchBytes);", to: "h.scratch);",
  },
];
