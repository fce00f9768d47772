import { z } from "zod";
import { STAGES, type ApiEntry, type Labelled, type SqlVerdict } from "../dsl.js";

// What the sandbox answers is checked: the process has run untrusted text.

const errorSchema = z.strictObject({
  type: z.string(),
  message: z.string(),
  position: z
    .strictObject({
      line: z.number().int(),
      column: z.number().int(),
      endLine: z.number().int().exactOptional(),
      endColumn: z.number().int().exactOptional(),
    })
    .exactOptional(),
});

const columnsSchema = z.record(z.string(), z.string());

export const labelledSchema: z.ZodType<Labelled> = z.strictObject({
  stage: z.enum(STAGES),
  ok: z.boolean(),
  error: errorSchema.exactOptional(),
  sql: z.string().exactOptional(),
  inferredSchema: z.record(z.string(), columnsSchema).exactOptional(),
  dependsOnSchema: z.literal(true).exactOptional(),
  planHash: z.string().exactOptional(),
  outputSchema: columnsSchema.exactOptional(),
  milliseconds: z.number(),
});

export const sqlVerdictSchema: z.ZodType<SqlVerdict> = z.strictObject({
  ok: z.boolean(),
  error: errorSchema.exactOptional(),
  canonical: z.string().exactOptional(),
});

export const apiEntriesSchema: z.ZodType<ApiEntry[]> = z.array(
  z.strictObject({
    path: z.string(),
    owner: z.string().exactOptional(),
    name: z.string(),
    signature: z.string(),
    docstring: z.string(),
  }),
);

export const versionSchema = z.strictObject({ name: z.string(), version: z.string() });
