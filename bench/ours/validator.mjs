/**
 * The Ibis engine: our side of `bench -- validator`, and its other side with `--loading`, where no process goes on from a
 * snapshot. A round is a new pool: it answers { poolSeconds, checksPerSecond, cpuPerCheck, compiled }, where the first is the time
 * until every process of the pool has judged a program, and the others are measured on `--checks` generated programs after
 * that; cpuPerCheck, in ms of all processes together, only where the system tells it (Linux).
 *
 *   node ours/validator.mjs [--threads 2] [--checks 2000] [--loading]
 */
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";

import { Random } from "../../dist/data/random.js";
import { createIbisEngine } from "../../dist/dsl/ibis/checker/engine.js";
import { randomProgram } from "../../dist/dsl/ibis/generator/programs.js";
import { toSchema } from "../../dist/dsl/ibis/generator/schemas.js";
import { CANONICAL, write } from "../../dist/dsl/ibis/generator/syntax.js";
import { Device } from "../../dist/runtime/device.js";
import { cpuMilliseconds } from "./cpu-time.mjs";
import { hello, serve } from "./protocol.mjs";

const { values } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    checks: { type: "string", default: "2000" },
    loading: { type: "boolean", default: false },
  },
});
const workers = Number(values.threads);
const programs = Array.from({ length: Number(values.checks) }, (_, index) => {
  const program = randomProgram(Random.of(1, "bench", "", index), "full");
  return { text: write(program.node, CANONICAL), schema: toSchema(program.schema.tables) };
});

async function work() {
  const engine = createIbisEngine({ workers, snapshots: !values.loading });
  try {
    const started = performance.now();
    const { text, schema } = programs[0];
    await Promise.all(Array.from({ length: workers }, () => engine.label(text, { schema })));
    const ready = performance.now();
    const cpu = cpuMilliseconds();
    const verdicts = await engine.labelMany(programs, { timeoutMs: 600_000 });
    const seconds = (performance.now() - ready) / 1000;
    return {
      poolSeconds: (ready - started) / 1000,
      checksPerSecond: programs.length / seconds,
      ...(cpu === undefined ? {} : { cpuPerCheck: (cpuMilliseconds() - cpu) / programs.length }),
      compiled: verdicts.filter(({ ok }) => ok).length,
    };
  } finally {
    await engine.close();
  }
}

// The first makes the snapshot where there is none, and brings the files into the page cache.
await work();
hello("validator", Device.open("cpu", { threads: workers }), { programs: programs.length });
await serve(work);
