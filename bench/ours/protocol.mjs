/** ibert's side of the line protocol that bench/driver.mjs describes. */
import { createInterface } from "node:readline";

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

export function peakRssBytes() {
  return process.resourceUsage().maxRSS * 1024;
}

export function hello(name, device, facts = {}) {
  const { backend, name: model, architecture, threads } = device.info;
  answer({
    hello: name,
    node: process.versions.node,
    backend,
    device: model,
    isa: architecture,
    threads,
    ...facts,
  });
}

/** Answers `round N` lines, with the processor time of all threads as `cpuSeconds` besides, until the input ends. */
export async function serve(work) {
  for await (const line of createInterface({ input: process.stdin })) {
    const match = /^round (\d+)$/.exec(line.trim());
    if (match === null) answer({ error: `expected \`round N\`, got ${JSON.stringify(line)}` });
    else {
      const before = process.cpuUsage();
      const found = await work();
      const { user, system } = process.cpuUsage(before);
      answer({ round: Number(match[1]), cpuSeconds: (user + system) / 1e6, ...found });
    }
  }
}
