import { IBertError } from "../../errors.js";
import type { Dsl } from "../definition.js";
import { ibisRowAudit } from "./checker/audit.js";
import { createIbisEngine } from "./checker/engine.js";
import { apiReach } from "./generator/coverage.js";
import { PROFILES, type Profile } from "./generator/programs.js";
import { IBIS_PROMPTS, ibisTaskFormat, promptTemplatesShape } from "./tasks/prompts.js";
import { completionStart, continuation, fieldsOfRepair, promptFieldsFromRequest } from "./tasks/request.js";
import { createIbisRowSource } from "./generator/source.js";
import { ibisAdmit } from "./processors/admit.js";
import { textForms } from "./processors/forms.js";
import { humanRows } from "./processors/human.js";
import { ibisMakeRows } from "./processors/mined.js";
import { locateWheels } from "./wheels.js";

export { createIbisEngine, type IbisEngineOptions } from "./checker/engine.js";
export { lockedWheels, type LockedWheel } from "./wheels.js";

/** Ibis, the first DSL. */
export const ibis: Dsl = {
  name: "ibis",
  packageName: "ibis-framework",
  packageFiles: () => locateWheels().map(({ path }) => path),
  createEngine: createIbisEngine,
  defaultPrompts: IBIS_PROMPTS,
  format(prompts) {
    if (prompts === undefined) return ibisTaskFormat();
    const parsed = promptTemplatesShape.safeParse(prompts);
    if (parsed.success) return ibisTaskFormat(parsed.data);
    const [issue] = parsed.error.issues;
    throw new IBertError(
      "prompts-invalid",
      `prompts: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
    );
  },
  promptFields: promptFieldsFromRequest,
  repair(program, error, schema) {
    const fields = fieldsOfRepair(program, error, schema);
    return fields && { task: "error_resolution", fields };
  },
  completionStart,
  continuation,
  profiles: PROFILES,
  apiReach,
  rowAudit: ibisRowAudit,
  textForms,
  admit: ibisAdmit,
  makeRows: ibisMakeRows,
  humanRows: () => humanRows(locateWheels()),
  corpusSource(engine, { profile, ...how }) {
    if (!(PROFILES as readonly string[]).includes(profile)) {
      throw new IBertError("profile-unknown", `there is no corpus profile ${JSON.stringify(profile)}`, {
        hint: `The profiles are: ${PROFILES.join(", ")}.`,
      });
    }
    return createIbisRowSource(engine, { profile: profile as Profile, ...how });
  },
};
