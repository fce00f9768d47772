// The results as a page of Markdown, from what collect.mjs put together and nothing else.
import { duration } from "./state.mjs";

const NONE = "–";
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const points = (share) => `${share > 0 ? "+" : ""}${(100 * share).toFixed(1)}`;
const range = ([low, high]) => `${(100 * low).toFixed(0)} … ${(100 * high).toFixed(0)}`;
const shareOf = (found) =>
  found === undefined || found.rows === 0 ? NONE : `${percent(found.share)} (${range(found.interval)})`;
const count = (number) => number.toLocaleString("en-US");

function table(rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const [head, ...body] = rows;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}

const differenceOf = (found) =>
  found === undefined
    ? NONE
    : `${points(found.difference)} points (${range(found.interval)}; ${found.p < 0.001 ? "p < 0.001" : `p = ${found.p.toFixed(3)}`})`;

function splitSection(name, { subjects, ...others }) {
  const [pair, difference] = Object.entries(others)[0];
  const rows = Object.entries(subjects).flatMap(([subject, { all, tasks }]) =>
    Object.entries({ ...tasks, all }).map(([task, { equal, constant, compiles, exact }]) => [
      ...[task, subject, String(exact.rows), String(equal.rows), shareOf(equal)],
      ...[equal.rows === 0 ? NONE : percent(constant), shareOf(compiles), shareOf(exact)],
    ]),
  );
  const order = [...new Set(rows.map(([task]) => task))];
  rows.sort((a, b) => order.indexOf(a[0]) - order.indexOf(b[0]));
  const head = ["task", "who", "rows", "executed", "execute equal", "constant", "compile", "same text"];
  const differences = [...Object.entries(difference.tasks), ["all", difference.all]].map(([task, found]) => [
    task,
    differenceOf(found),
  ]);
  return `## \`${name}\`\n\n${table([head, ...rows])}\n\n${pair}, by the paired bootstrap:\n\n${table([["task", "difference"], ...differences])}`;
}

function gridSection(grid) {
  const rounds = Object.entries(grid).map(([round, { chosen, cells }]) => {
    const rows = Object.entries(cells).map(([cell, found]) => [
      cell === chosen ? `**${cell}**` : cell,
      `\`${found.changes.join(" ").replace(/lora\.targets=\[[^\]]*down_proj\]/, "lora.targets=all")}\``,
      ...[found.mebibytes.toFixed(1), String(found.tokensPerSecond), found.lastLoss.toFixed(3)],
      ...[shareOf(found.all.equal), shareOf(found.all.compiles), differenceOf(found.againstChosen)],
    ]);
    const head = [
      "cell",
      "changes",
      "MiB",
      "tokens/s",
      "loss",
      "execute equal",
      "compile",
      "against the chosen",
    ];
    return `Round \`${round}\`, chosen: ${chosen}.\n\n${table([head, ...rows])}`;
  });
  return rounds.join("\n\n");
}

const trainingRow = (name, { lora, learningRate, steps, tokens, seconds, tokensPerSecond, mebibytes }) => [
  ...[
    name,
    `rank ${lora.rank} of ${lora.targets.length} matrices a layer`,
    String(learningRate),
    count(steps),
  ],
  ...[count(tokens), duration(seconds), String(tokensPerSecond), mebibytes.toFixed(1)],
];

const curveSection = (curve = []) =>
  curve.length === 0
    ? ""
    : `\n\nOn the way, on few rows of \`valid\`: ${curve
        .map(({ step, equal }) => `step ${count(step)} ${equal === null ? NONE : percent(equal)}`)
        .join(", ")}.`;

/** @param found what `collect` gives */
export function resultsPage(found) {
  const { commit, plan, machine, device, corpus, grid, tuned, rft, sampling, splits, stages } = found;
  const rows = Object.entries(corpus.counts).map(([split, counts]) => [
    split,
    count(Object.values(counts).reduce((sum, own) => sum + own, 0)),
  ]);
  const sampled = Object.entries(sampling.counts).map(([task, own]) => [
    ...[task, count(own.sampled), count(own.passed), count(sampling.kept[task] ?? 0)],
  ]);
  const spent = stages.map(({ name, seconds, sittings }) => [name, duration(seconds), String(sittings)]);
  const commands = stages.flatMap(({ name, commands: own }) => [`# ${name}`, ...own]);
  const gibibytes = (machine.memoryBytes / 2 ** 30).toFixed(0);
  return `# Results

Written by \`node scripts/results/run.mjs --publish\`; nothing here is written by hand. \`${plan.base}\` at commit \`${commit}\` on
${machine.cores} cores of ${machine.processor}${device?.name === undefined ? "" : ` (${device.name})`}, ${gibibytes} GiB, ${machine.system}, Node ${machine.node}.

An answer counts when it *executes equal*: see "The measurement" in [training.md](training.md). In brackets are 95 % intervals in percent, by
bootstrap over rows; *constant* is what an answer that never changes gets. Settings were chosen on \`valid\` alone; each other split
was answered once.

${Object.entries(splits)
  .map(([name, split]) => splitSection(name, split))
  .join("\n\n")}

## What was trained

${table([
  ["adapter", "LoRA", "learning rate", "steps", "tokens", "training", "tokens/s", "MiB"],
  trainingRow("tuned", tuned),
  trainingRow("tuned + rft", rft),
])}${curveSection(tuned.curve)}

Rows of the corpus (\`${plan.corpus.config}\`):

${table([["split", "rows"], ...rows])}

Answers of the round of rejection sampling:

${table([["task", "sampled", "right", "kept"], ...sampled])}

## How the settings were chosen

Cells of a round have ${count(plan.grid.tokens)} tokens each and answer ${plan.grid.limit} rows of \`valid\`.

${gridSection(grid)}

## Time and commands

${table([["stage", "time", "sittings"], ...spent])}

\`\`\`console
${commands.join("\n")}
\`\`\`
`;
}
