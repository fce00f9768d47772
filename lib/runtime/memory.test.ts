/** V8's flags and collector belong to the process, not to a library in it. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { expect, it } from "vitest";

import { COMPILED, compiledPrograms } from "../cli/testing/compiled.js";
import { writeTinyCorpus } from "../cli/testing/tiny-corpus.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { writeSmallModel } from "../models/testing/small-model.js";
import { packageRoot } from "./cache.js";

/** Counts, and prints at the end, what is done to V8: loaded before anything else. */
const WATCH = `
  import v8 from "node:v8";
  import vm from "node:vm";
  import { syncBuiltinESMExports } from "node:module";
  import { PerformanceObserver, constants } from "node:perf_hooks";
  const found = { flags: [], contexts: 0, forced: 0 };
  const { setFlagsFromString } = v8;
  v8.setFlagsFromString = (flag) => { found.flags.push(flag); setFlagsFromString(flag); };
  const { runInNewContext } = vm;
  vm.runInNewContext = (...words) => { found.contexts++; return runInNewContext(...words); };
  syncBuiltinESMExports();
  const count = (list) => {
    for (const { detail } of list.getEntries())
      if (detail.flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) found.forced++;
  };
  const observer = new PerformanceObserver(count);
  observer.observe({ entryTypes: ["gc"] });
  process.on("exit", () => {
    count({ getEntries: () => observer.takeRecords() });
    console.error("watched", JSON.stringify(found));
  });
`;
const watching = ["--import", `data:text/javascript,${encodeURIComponent(WATCH)}`];
const watched = (stderr: string): unknown => JSON.parse(/^watched (.*)$/m.exec(stderr)?.[1] ?? "null");

it("leaves V8 alone in somebody else's process, whatever it is used for", async () => {
  await compiledPrograms();
  const folder = temporaryFolder();
  const base = join(folder, "base");
  await writeSmallModel(base);
  const corpus = writeTinyCorpus(join(folder, "corpus"));
  const config = {
    base,
    backend: "cpu",
    corpus,
    output: join(folder, "adapter"),
    steps: 1,
    evaluation: { rowsPerTask: 0 },
    data: { tokensPerBatch: 512, taskWeights: { error_resolution: 0, qa: 0, function_documentation: 0 } },
  };
  const program = `
    const { IBertModel, train, parseTrainingConfig } = await import(${JSON.stringify(`file://${join(packageRoot(), "dist/index.js")}`)});
    const model = await IBertModel.load({ base: ${JSON.stringify(base)}, backend: "cpu" });
    await model.generate({ prompt: "t.", taskType: "code_completion", maxTokens: 2, validateWithCompiler: false });
    await model.dispose();
    const engine = { version: () => Promise.resolve({ name: "ibis-framework", version: "12.0.0" }) };
    const { status } = await train(parseTrainingConfig(${JSON.stringify(config)}, "test"), { engine });
    console.log(status);
  `;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [...watching, "--input-type=module", "--eval", program],
    { encoding: "utf8" },
  );
  expect(stdout, stderr).toBe("complete\n");
  expect(watched(stderr)).toEqual({ flags: [], contexts: 0, forced: 0 });
});

it("tends the heap of our own programs", async () => {
  await compiledPrograms();
  const folder = temporaryFolder();
  const base = join(folder, "base");
  await writeSmallModel(base);
  const words = ["complete", "t.", "--base", base, "--no-validate", "--max-tokens", "2"];
  const { stderr, status } = spawnSync(process.execPath, [...watching, COMPILED.ibert, ...words], {
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  expect(watched(stderr)).toMatchObject({
    flags: expect.arrayContaining(["--semi-space-growth-factor=1"]) as string[],
  });
});
