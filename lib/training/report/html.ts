/** The report as one HTML page: no script, no file beside it, no network. */
import { TASK_TYPES, type TaskType } from "../../data/tasks.js";
import { describeKilled, EXECUTION_HINT } from "../../evaluation/execution/judge.js";
import type { RowScore, TaskMetrics } from "../../evaluation/metrics.js";
import { drawCharts, escapeXml, type LineChart } from "../../report/chart.js";
import { bar, page, percent, table, type Cell } from "../../report/page.js";
import type { Example, Measurement, RunRecord } from "./run-record.js";
import { describePlan } from "../plan.js";

const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20).toLocaleString("en-US")} MiB`;

/** The four curves that the page and the image show. */
export function curvesOf({ steps }: Pick<RunRecord, "steps">): LineChart[] {
  const curve = (value: (step: RunRecord["steps"][number]) => number) =>
    steps.map((step) => ({ x: step.step, y: value(step) }));
  const smooth = Math.max(1, Math.round(steps.length / 20));
  return [
    {
      title: "Loss by step, nats a token",
      unit: "loss",
      points: curve(({ loss }) => loss),
      smooth,
      fromZero: true,
    },
    {
      title: "Gradient norm by step",
      unit: "norm",
      points: curve(({ gradNorm }) => gradNorm),
      fromZero: true,
    },
    {
      title: "Learning rate by step",
      unit: "rate",
      points: curve(({ learningRate }) => learningRate),
      fromZero: true,
    },
    {
      title: "Tokens a second by step",
      unit: "tokens/s",
      points: curve((step) => step.tokensPerSecond),
      fromZero: true,
    },
  ];
}

type Execution = NonNullable<TaskMetrics["execution"]>;

const executed = (metrics: TaskMetrics | undefined, cell: (execution: Execution) => Cell): Cell =>
  metrics?.execution === undefined || metrics.execution.rows === 0 ? "–" : cell(metrics.execution);

function resultTable({ measurements }: RunRecord): string {
  const before = measurements.find(({ when }) => when === "before");
  const after = measurements.find(({ when }) => when === "after");
  if (after === undefined) return "<p>No held-out rows were measured.</p>";
  const row = (name: string, first: TaskMetrics | undefined, last: TaskMetrics): Cell[] => {
    const code = last.codeRows > 0;
    return [
      name,
      String(last.rows),
      executed(first, ({ accuracy }) => bar(accuracy, true)),
      executed(last, ({ accuracy }) => bar(accuracy)),
      executed(last, ({ interval: [low, high] }) => `${percent(low)} – ${percent(high)}`),
      executed(last, ({ constant }) => percent(constant)),
      code && first !== undefined ? percent(first.rates.compile) : "–",
      code ? percent(last.rates.compile) : "–",
      executed(last, ({ runs }) => percent(runs)),
      code ? percent(last.rates.parse) : "–",
      code ? percent(last.sqlEqual) : "–",
      percent(last.exactMatch),
      last.chrF.toFixed(2),
    ];
  };
  const rows = TASK_TYPES.flatMap((task) => {
    const own = after.tasks[task];
    return own === undefined ? [] : [row(task, before?.tasks[task], own)];
  });
  return (
    table(
      [
        ...["task", "rows", "executes equal before", "executes equal after", "95 %", "constant answer"],
        ...["compiles before", "compiles after", "runs", "parses", "same SQL", "same text", "chrF"],
      ],
      [...rows, row("all", before?.all, after.all)],
    ) + `<p class="lead">${escapeXml(executionRemark(after.all))}</p>`
  );
}

/** How answers were executed, or why not. */
function executionRemark({ execution }: TaskMetrics): string {
  if (execution === undefined) return `Whether answers execute equal was not measured. ${EXECUTION_HINT}`;
  const { rows, killed, untold } = execution;
  return (
    `${rows} answers were executed: equal are those that give what the row's own completion gives, on databases made for ` +
    `completions, which ${describeKilled(percent(killed))}. Of ${untold} rows nothing can be told. Of others, such as most ` +
    "completions, the prompt does not say what the program gives."
  );
}

function progressTable(measurements: readonly Measurement[]): string {
  if (!measurements.some(({ when }) => when === "during")) return "";
  const rows = measurements.map(({ step, all }) => [
    String(step),
    String(all.rows),
    executed(all, ({ accuracy }) => bar(accuracy)),
    percent(all.rates.compile),
  ]);
  return `<h2>On the way</h2>${table(["step", "rows", "executes equal", "compiles"], rows)}`;
}

function sharesTable({ shares, config }: RunRecord): string {
  const total = (value: (share: RunRecord["shares"][TaskType]) => number): number =>
    TASK_TYPES.reduce((sum, task) => sum + value(shares[task]), 0) || 1;
  const weights = TASK_TYPES.reduce((sum, task) => sum + config.data.taskWeights[task], 0);
  const rows = TASK_TYPES.map((task) => [
    task,
    percent(config.data.taskWeights[task] / weights),
    bar(shares[task].rows / total(({ rows }) => rows)),
    percent(shares[task].tokens / total(({ tokens }) => tokens)),
    percent(shares[task].supervisedTokens / total(({ supervisedTokens }) => supervisedTokens)),
    shares[task].rows.toLocaleString("en-US"),
  ]);
  return table(
    ["task", "weight", "of the rows", "of the tokens", "of the learned tokens", "rows drawn"],
    rows,
  );
}

function outcome({ passed, error, execution, sqlEqual }: RowScore): [mark: "ok" | "bad", text: string] {
  if (!passed.compile) return ["bad", error ?? "refused"];
  const compiles = sqlEqual ? "compiles, same SQL" : "compiles";
  if (execution === undefined) return ["ok", compiles];
  return execution.equal
    ? ["ok", `executes equal; ${compiles}`]
    : ["bad", `compiles, but ${execution.reason ?? "executes otherwise"}`];
}

function verdict(score: RowScore): string {
  if (!score.holdsCode) return "";
  const [mark, text] = outcome(score);
  return `<div class="verdict ${mark}">${mark === "ok" ? "✓" : "✗"} ${escapeXml(text)}</div>`;
}

function example({ task, id, prompt, expected, before, after }: Example): string {
  const part = (name: string, text: string, score?: RowScore): string =>
    `<div><h4>${name}</h4><pre>${escapeXml(text)}</pre>${score === undefined ? "" : verdict(score)}</div>`;
  return (
    `<article><h3>${escapeXml(task)} <small>${escapeXml(id)}</small></h3>${part("prompt", prompt)}<div class="answers">` +
    (before === undefined ? "" : part("before", before.prediction, before)) +
    `${part("after", after.prediction, after)}${part("expected", expected)}</div></article>`
  );
}

function facts(record: RunRecord): string {
  const { machine, device, plan, steps, trainingSeconds } = record;
  const tokens = steps.reduce((sum, step) => sum + step.tokens, 0);
  const rows: [string, string][] = [
    ["steps", `${steps.length}, ${tokens.toLocaleString("en-US")} tokens in ${trainingSeconds.toFixed(0)} s`],
    ["tokens a second", (tokens / Math.max(trainingSeconds, 1e-9)).toFixed(0)],
    ["last loss", steps.at(-1)?.loss.toFixed(3) ?? "–"],
    ["backend", `${device.backend}: ${device.name}, ${device.architecture}, ${device.threads} threads`],
    [
      "machine",
      `${machine.processor}, ${machine.cores} cores, ${mib(machine.memoryBytes)}, ${machine.system}`,
    ],
    ["Node", machine.node],
    ["planned memory", describePlan(plan, mib)],
  ];
  return `<dl>${rows.map(([name, value]) => `<dt>${name}</dt><dd>${escapeXml(value)}</dd>`).join("")}</dl>`;
}

/** The whole page. */
export function renderReport(record: RunRecord): string {
  const { config } = record;
  const title = `ibert: ${config.base} → ${config.output}`;
  return page(
    title,
    `<p class="lead">Held-out rows of ${escapeXml(config.corpus)} (${config.evaluation.split}), answered by generation and judged by execution and by the real compiler.</p>
${resultTable(record)}
${progressTable(record.measurements)}
<h2>Curves</h2>
${drawCharts(curvesOf(record), false)}
<h2>The run</h2>
${facts(record)}
<h2>What was drawn</h2>
<div class="plain">${sharesTable(record)}</div>
<h2>Answers</h2>
${record.examples.map(example).join("\n")}
<h2>Configuration</h2>
<pre>${escapeXml(JSON.stringify(config, null, 2))}</pre>`,
  );
}
