/**
 * From nothing to the first token by ibert: our side of `bench -- startup`. Each run is one process, through the public
 * API, and writes one JSON line { importSeconds, loadSeconds, firstTokenSeconds, peakRssBytes }; the driver measures the
 * whole from before the process.
 *
 *   node ours/startup.mjs --model FILE.gguf [--threads 2]
 */
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";

const started = performance.now();
const { IBertModel } = await import("../../dist/index.js");
const imported = performance.now();
const { values } = parseArgs({
  options: { model: { type: "string" }, threads: { type: "string", default: "2" } },
});
const model = await IBertModel.load({
  base: values.model,
  backend: "cpu",
  threads: Number(values.threads),
  useCompilerFeedback: false,
});
const loaded = performance.now();
const { tokens } = await model.generate({
  prompt: "SELECT city, COUNT(*) FROM orders",
  taskType: "sql_to_ibis",
  validateWithCompiler: false,
  maxTokens: 1,
});
const { hello, peakRssBytes } = await import("./protocol.mjs");
const { device } = model;
hello(
  "startup",
  { info: device },
  {
    importSeconds: (imported - started) / 1000,
    loadSeconds: (loaded - imported) / 1000,
    firstTokenSeconds: (performance.now() - loaded) / 1000,
    promptTokens: tokens.prompt,
    peakRssBytes: peakRssBytes(),
  },
);
await model.dispose();
