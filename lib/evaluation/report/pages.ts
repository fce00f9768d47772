/** The summary of an evaluation as Markdown and as one HTML page. */
import { TASK_TYPES, type TaskType } from "../../data/tasks.js";
import { escapeXml } from "../../report/chart.js";
import { bar, page, percent, table, type Cell } from "../../report/page.js";
import type { Interval } from "../bootstrap.js";
import { FACETS } from "../breakdown.js";
import { describeKilled } from "../execution/judge.js";
import type { TaskMetrics } from "../metrics.js";
import { drawBars, type BarGroup } from "./chart.js";
import type { Difference, EvaluationSummary, Failure, Measured } from "./summary.js";

const NONE = "–";

const range = ([low, high]: Interval): string => `${(100 * low).toFixed(0)} … ${(100 * high).toFixed(0)}`;

const HEAD = [
  ...[
    "task",
    "rows",
    "executed",
    "equal",
    "95 %",
    "constant",
    "parses",
    "names",
    "builds",
    "compiles",
    "runs",
  ],
  ...["same SQL", "same text", "next name", "facts"],
];

function cells(name: string, metrics: TaskMetrics): string[] {
  const { execution, nextIdentifier, facts, rates, codeRows } = metrics;
  const code = (share: number): string => (codeRows === 0 ? NONE : percent(share));
  const executed = (value: (found: NonNullable<typeof execution>) => string): string =>
    execution === undefined || execution.rows === 0 ? NONE : value(execution);
  return [
    name,
    String(metrics.rows),
    executed(({ rows }) => String(rows)),
    executed(({ accuracy }) => percent(accuracy)),
    executed(({ interval }) => range(interval)),
    executed(({ constant }) => percent(constant)),
    ...[rates.parse, rates.names, rates.build, rates.compile].map(code),
    executed(({ runs }) => percent(runs)),
    code(metrics.sqlEqual),
    percent(metrics.exactMatch),
    nextIdentifier === undefined ? NONE : percent(nextIdentifier.right),
    facts === undefined ? NONE : percent(facts.right),
  ];
}

const taskRows = ({ tasks, all }: Measured): string[][] => [
  ...TASK_TYPES.flatMap((task) => {
    const own = tasks[task];
    return own === undefined ? [] : [cells(task, own)];
  }),
  cells("all", all),
];

const labelOf = ({ measured }: EvaluationSummary, subject: string): string =>
  measured.find((one) => one.subject === subject)?.label ?? subject;

const differenceCells = (
  summary: EvaluationSummary,
  { from, to, rows, difference, interval, p }: Difference,
): string[] => [
  labelOf(summary, from),
  labelOf(summary, to),
  String(rows),
  `${difference > 0 ? "+" : ""}${(100 * difference).toFixed(1)} points`,
  range(interval),
  p < 0.001 ? "< 0.001" : p.toFixed(3),
];

const DIFFERENCE_HEAD = ["from", "to", "answers", "difference", "95 %", "p"];

const WHAT =
  "equal: DuckDB gives for the answer what it gives for the row's own completion, on databases distilled to tell that from its " +
  "neighbours; constant: the same for an answer that takes nothing of the prompt but a table's name. Intervals are of 95 %, by " +
  "bootstrap over rows; differences are paired.";

function sharpness({ all: { execution } }: Measured): string {
  if (execution === undefined) return "Answers were not executed.";
  return (
    `The databases made for completions ${describeKilled(percent(execution.killed))}; of ` +
    `${execution.untold} rows nothing can be told.`
  );
}

/** As Markdown. */
export function evaluationMarkdown(summary: EvaluationSummary): string {
  const { measured, differences, failures, settings } = summary;
  const line = (row: readonly string[]): string => `| ${row.map(escapeCell).join(" | ")} |`;
  const grid = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
    [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
  const last = measured.at(-1);
  return `${[
    `# Evaluation on ${String(settings["corpus"])}, ${String(settings["split"])}`,
    WHAT,
    ...(last === undefined ? [] : [sharpness(last)]),
    ...measured.flatMap((one) => [
      `## ${one.label}`,
      grid(HEAD, taskRows(one)),
      ...(one.passAt === undefined
        ? []
        : [
            grid(
              ["k", "pass@k", "95 %"],
              one.passAt.map(({ k, rate, interval }) => [String(k), percent(rate), range(interval)]),
            ),
          ]),
    ]),
    ...(differences.length === 0
      ? []
      : [
          "## Differences",
          grid(
            DIFFERENCE_HEAD,
            differences.map((one) => differenceCells(summary, one)),
          ),
        ]),
    ...breakdownsOf(measured).flatMap(({ label, facet, shares }) => [
      `## ${label}, by ${facet}`,
      grid(
        [facet, "rows", "equal", "95 %"],
        shares.map(({ name, rows, accuracy, interval }) => [
          name,
          String(rows),
          percent(accuracy),
          range(interval),
        ]),
      ),
    ]),
    ...(failures.length === 0 ? [] : ["## The worst failures"]),
    ...failures.flatMap(({ task, id, reason, prompt, prediction, expected }) => [
      `### ${task}, ${id}: ${reason.split("\n")[0] ?? ""}`,
      ...[prompt, prediction, expected].map((text) => `${"`".repeat(4)}\n${text}\n${"`".repeat(4)}`),
    ]),
    "## Settings",
    `${"`".repeat(4)}json\n${JSON.stringify(settings, null, 2)}\n${"`".repeat(4)}`,
  ].join("\n\n")}\n`;
}

const escapeCell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

/** Of the last ones measured: the adapters, where there are any. */
function breakdownsOf(measured: readonly Measured[]) {
  return measured
    .filter(({ subject }) => subject === "after" || subject === "other")
    .flatMap(({ label, breakdowns }) =>
      FACETS.flatMap((facet) =>
        breakdowns[facet].length === 0 ? [] : [{ label, facet, shares: breakdowns[facet] }],
      ),
    );
}

function accuracyGroups({ measured }: EvaluationSummary): BarGroup[] {
  const names: (TaskType | "all")[] = [...TASK_TYPES, "all"];
  return names.flatMap((name) => {
    const bars = measured.flatMap(({ label, subject, tasks, all }) => {
      const execution = (name === "all" ? all : tasks[name])?.execution;
      if (execution === undefined || execution.rows === 0) return [];
      const { accuracy: value, interval } = execution;
      return [{ label, value, interval, quiet: subject === "before" || subject === "shots" }];
    });
    return bars.length === 0 ? [] : [{ title: name, bars }];
  });
}

const pre = (name: string, text: string): string =>
  `<div><h4>${name}</h4><pre>${escapeXml(text)}</pre></div>`;

const failure = ({ task, id, reason, prompt, prediction, expected }: Failure): string =>
  `<article><h3>${escapeXml(task)} <small>${escapeXml(id)}</small></h3>${pre("prompt", prompt)}` +
  `<div class="answers">${pre("answer", prediction)}${pre("expected", expected)}</div>` +
  `<div class="verdict bad">✗ ${escapeXml(reason)}</div></article>`;

/** As one HTML page, with plots, without scripts or files beside it. */
export function evaluationPage(summary: EvaluationSummary): string {
  const { measured, differences, failures, settings } = summary;
  const groups = accuracyGroups(summary);
  const last = measured.at(-1);
  const passes: BarGroup[] = measured.flatMap(({ label, passAt = [] }) =>
    passAt.length === 0
      ? []
      : [
          {
            title: label,
            bars: passAt.map(({ k, rate, interval }) => ({ label: `pass@${k}`, value: rate, interval })),
          },
        ],
  );
  const broken: BarGroup[] = breakdownsOf(measured).map(({ label, facet, shares }) => ({
    title: `${label}, by ${facet}`,
    bars: shares.map(({ name, rows, accuracy: value, interval }) => ({
      label: `${name} (${rows})`,
      value,
      interval,
    })),
  }));
  const section = (title: string, body: string): string => (body === "" ? "" : `<h2>${title}</h2>\n${body}`);
  const plot = (bars: readonly BarGroup[], label: string): string =>
    bars.length === 0 ? "" : drawBars(bars, label);
  const withBars = (rows: string[][]): Cell[][] =>
    rows.map((row) => row.map((cell, i) => (i === 3 && cell !== NONE ? bar(parseFloat(cell) / 100) : cell)));
  return page(
    `Evaluation on ${String(settings["corpus"])}, ${String(settings["split"])}`,
    [
      `<p class="lead">${escapeXml(WHAT)} ${escapeXml(last === undefined ? "" : sharpness(last))}</p>`,
      section("Answers that execute equal", plot(groups, "Execution accuracy by task")),
      ...measured.map((one) => section(escapeXml(one.label), table(HEAD, withBars(taskRows(one))))),
      section("pass@k", plot(passes, "pass@k")),
      section(
        "Differences",
        differences.length === 0
          ? ""
          : `<div class="plain">${table(
              DIFFERENCE_HEAD,
              differences.map((one) => differenceCells(summary, one)),
            )}</div>`,
      ),
      section("By what rows are like", plot(broken, "Execution accuracy by kinds of rows")),
      section("The worst failures", failures.map(failure).join("\n")),
      section("Settings", `<pre>${escapeXml(JSON.stringify(settings, null, 2))}</pre>`),
    ].join("\n"),
  );
}
