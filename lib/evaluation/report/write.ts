/** The report of an evaluation: JSON, Markdown and a page beside the scores. */
import { join } from "node:path";

import { writeFileAtomic } from "../../formats/atomic.js";
import type { Subject, SubjectResults } from "../evaluate-model.js";
import { evaluationMarkdown, evaluationPage } from "./pages.js";
import { measuredOf, pairedScores, type Difference, type EvaluationSummary } from "./summary.js";

/** Puts together what was found. `labels` say in words who was measured. */
export function summaryOf(
  { results, failures, settings }: SubjectResults,
  names: readonly string[],
  labels: Readonly<Record<string, string>>,
): EvaluationSummary {
  const found = names.flatMap((name, i) => {
    const result = results[i];
    return result === undefined ? [] : [{ name, result }];
  });
  const main = found.find(({ name }) => name === "after");
  const differences = found.flatMap(({ name, result }): Difference[] => {
    if (main === undefined || name === "after") return [];
    const [from, to] = name === "other" ? [main, { name, result }] : [{ name, result }, main];
    const paired = pairedScores(from.result.scores, to.result.scores);
    return paired === undefined ? [] : [{ from: from.name, to: to.name, ...paired }];
  });
  const measured = found.map(({ name, result }) => measuredOf(name, labels[name] ?? name, result));
  return { format: 1, settings, measured, differences, failures };
}

/** Writes `evaluation.json`, `evaluation.md` and `evaluation.html` into a folder. */
export async function writeEvaluation(
  folder: string,
  found: SubjectResults,
  subjects: ReadonlyMap<string, Subject>,
  labels: Readonly<Record<string, string>>,
): Promise<EvaluationSummary> {
  const summary = summaryOf(found, [...subjects.keys()], labels);
  await writeFileAtomic(join(folder, "evaluation.json"), `${JSON.stringify(summary, null, 2)}\n`);
  await writeFileAtomic(join(folder, "evaluation.md"), evaluationMarkdown(summary));
  await writeFileAtomic(join(folder, "evaluation.html"), evaluationPage(summary));
  return summary;
}
