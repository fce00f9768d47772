import { join } from "node:path";

import { replaceDirectoryAtomic, writeFileAtomic } from "../../formats/atomic.js";
import { drawCharts } from "../../report/chart.js";
import { curvesOf, renderReport } from "./html.js";
import { reportFolder, type RunRecord } from "./run-record.js";

export { findSameRun, recordRun, type Measurement, type RunRecord } from "./run-record.js";

/**
 * Writes `report/` inside the adapter's folder: `report.html` for people, `curves.svg`, and `run.json` for programs.
 * Saving the adapter anew takes the old report away with the old adapter. Returns the path of the page.
 */
export async function writeReport(record: RunRecord): Promise<string> {
  const folder = reportFolder(record.config.output);
  const files = {
    "report.html": renderReport(record),
    "curves.svg": drawCharts(curvesOf(record), true),
    "run.json": `${JSON.stringify(record)}\n`,
  };
  await replaceDirectoryAtomic(folder, async (fresh) => {
    for (const [name, content] of Object.entries(files)) await writeFileAtomic(join(fresh, name), content);
  });
  return join(folder, "report.html");
}
