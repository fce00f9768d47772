/** What a corpus is to hold: `configs/data/*.yaml` say it. */
import { z } from "zod";

import { DECLARED_TASKS, DEFAULT_DSL, DSL_NAMES } from "../dsl/declared.js";
import { IBertError } from "../errors.js";
import { describeIssues } from "../formats/config-issues.js";
import { lineOf, readYamlMapping } from "../formats/yaml.js";
import { ShippedConfigs } from "../runtime/shipped-configs.js";
import type { TaskType } from "./tasks.js";

/** The configurations that come with ibert. */
export const DATA_CONFIGS = new ShippedConfigs("data");

/** Of the programs; the others, over many domains, keep the model from taking the user's tables for all that there are. */
export const OWN_SHARE = 0.7;

const count = z.int().nonnegative();

/** Absent weights are the DSL's where all are absent, else 0. */
const taskWeights = z
  .strictObject(
    Object.fromEntries(
      DECLARED_TASKS.map(({ name }) => [name, z.number().nonnegative().default(0)]),
    ) as Record<TaskType, z.ZodDefault<z.ZodNumber>>,
  )
  .refine((weights) => Object.values(weights).some((weight) => weight > 0), {
    message: "no task has a weight above 0",
  });

export const DataConfig = z.strictObject({
  dsl: z.enum(DSL_NAMES).default(DEFAULT_DSL),
  /** How varied programs are; a DSL's own name for it. */
  profile: z.string().min(1),
  seed: count.default(1),
  /** Training rows. */
  rows: z.int().positive(),
  /** Rows of each task in the other splits. */
  evaluation: z
    .strictObject({ valid: count.default(0), test: count.default(0), test_schema: count.default(0) })
    .prefault({}),
  /** Tables of the user's own, and the share of programs that are over them. */
  tables: z
    .strictObject({ file: z.string().min(1), share: z.number().positive().max(1).default(OWN_SHARE) })
    .optional(),
  /** Holds out pairs that people wrote, where the DSL's packages have some. */
  human: z.boolean().default(false),
  /** Folder of rows that were mined and processed, which go in beside those that are drawn. */
  mined: z.string().min(1).exactOptional(),
  taskWeights: taskWeights.default(
    Object.fromEntries(DECLARED_TASKS.map(({ name, weight }) => [name, weight])) as Record<TaskType, number>,
  ),
});
export type DataConfig = z.infer<typeof DataConfig>;

/**
 * Reads a YAML file, or the configuration of that name that comes with ibert.
 * @throws IBertError `config-missing`, `config-invalid` naming the key and its line, `text-encoding`
 */
export function readDataConfig(nameOrFile: string): DataConfig {
  const path = DATA_CONFIGS.pathOf(nameOrFile);
  const yaml = readYamlMapping(
    path,
    `Name a file, or one that comes with ibert: ${DATA_CONFIGS.names().join(", ")}.`,
  );
  const parsed = DataConfig.safeParse(yaml.value);
  if (parsed.success) return parsed.data;
  const faults = describeIssues(parsed.error.issues, yaml.value, (key) => lineOf(yaml, key));
  throw new IBertError("config-invalid", `${path}: ${faults}`, {
    hint: "docs/cli.md lists the keys; configs/data of the package has examples.",
  });
}
