import { z } from "zod";
import { STAGES, type ApiEntry, type Labelled } from "../../dsl.js";
import { verdictErrorSchema } from "../../error-schema.js";

// What the sandbox answers is checked: the process has run untrusted text.

const columnsSchema = z.record(z.string(), z.string());

export const labelledSchema: z.ZodType<Labelled> = z.strictObject({
  stage: z.enum(STAGES),
  ok: z.boolean(),
  error: verdictErrorSchema.exactOptional(),
  refused: z.literal(true).exactOptional(),
  sql: z.string().exactOptional(),
  inferredSchema: z.record(z.string(), columnsSchema).exactOptional(),
  dependsOnSchema: z.literal(true).exactOptional(),
  planHash: z.string().exactOptional(),
  queryHash: z.string().exactOptional(),
  outputSchema: columnsSchema.exactOptional(),
  milliseconds: z.number(),
});

/** What sqlglot says of a text. Its normal form is there also when sqlglot finds a mistake in it. */
export const sqlAnswerSchema = z.strictObject({
  ok: z.boolean(),
  stage: z.enum(STAGES),
  error: verdictErrorSchema.exactOptional(),
  canonical: z.string().exactOptional(),
  duckdb: z.string().exactOptional(),
});
export type SqlAnswer = z.infer<typeof sqlAnswerSchema>;

/** A schema's tables as DuckDB makes them, and the columns whose types it lacks. */
export const duckDbTablesSchema = z.strictObject({
  tables: z.array(
    z.strictObject({
      path: z.array(z.string()).min(1).max(2),
      columns: z.array(z.tuple([z.string(), z.string()])),
    }),
  ),
  lacking: z.array(z.string()),
});
export type DuckDbTables = z.infer<typeof duckDbTablesSchema>;

const constantKind = z.enum(["number", "text"]);

/** What the sandbox says of a query's neighbours; the tables come beside it. */
export const neighboursSchema = z
  .strictObject({
    sql: z.string(),
    ordered: z.string(),
    keys: z.number().int(),
    limit: z.number().int().nullable(),
    offset: z.number().int(),
    neighbours: z.array(z.strictObject({ kind: z.string(), sql: z.string() })),
    constants: z.array(z.tuple([z.string(), z.string(), constantKind, z.string()])),
    loose: z.array(z.tuple([constantKind, z.string()])),
    links: z.array(z.tuple([z.string(), z.string(), z.string(), z.string()])),
    groups: z.array(z.tuple([z.string(), z.string()])),
    sizes: z.array(z.number().int()),
    window: z.number().int(),
  })
  .nullable();

export const apiEntriesSchema: z.ZodType<ApiEntry[]> = z.array(
  z.strictObject({
    path: z.string(),
    owner: z.string().exactOptional(),
    name: z.string(),
    signature: z.string(),
    docstring: z.string(),
  }),
);

/** Of each program the members of the API that it calls. */
export const membersSchema = z.array(z.array(z.string()));

/** Of each site of a file the programs that were cut out for it. */
export const cutSitesSchema = z.array(
  z.union([
    z.strictObject({
      programs: z.array(
        z.strictObject({
          text: z.string(),
          given: z.record(z.string(), columnsSchema),
          free: z.array(z.string()),
          sql: z.string().exactOptional(),
          function: z.string().exactOptional(),
          docstring: z.string().exactOptional(),
        }),
      ),
    }),
    z.strictObject({ reason: z.string(), detail: z.string() }),
  ]),
);

export const versionSchema = z.strictObject({ name: z.string(), version: z.string() });
