import { z } from "zod";

import { TrainingConfig } from "./config.js";

/** The JSON schema of a training configuration, as `configs/training/schema.json` holds it: what a user writes. */
export function trainingConfigSchema(): string {
  const schema = z.toJSONSchema(TrainingConfig, { io: "input", target: "draft-7" });
  return `${JSON.stringify({ ...schema, title: "ibert training" }, null, 2)}\n`;
}
