import type { TaskType } from "../../../data/tasks.js";
import { CODE_COMPLETION } from "./code-completion.js";
import { ERROR_RESOLUTION } from "./error-resolution.js";
import { FUNCTION_DOCUMENTATION, QA } from "./prose.js";
import type { IbisTask } from "./task.js";
import { IBIS_TO_SQL, SQL_TO_IBIS } from "./translations.js";

/** How each task is written and judged; `declarations.ts` says what it is called. */
export const TASKS: Readonly<Record<TaskType, IbisTask>> = {
  code_completion: CODE_COMPLETION,
  ibis_to_sql: IBIS_TO_SQL,
  error_resolution: ERROR_RESOLUTION,
  qa: QA,
  function_documentation: FUNCTION_DOCUMENTATION,
  sql_to_ibis: SQL_TO_IBIS,
};
