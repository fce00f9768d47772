/** What Ibis has a rule for in some dialects, and in DuckDB none. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const OF_DIALECTS = [
  parseTemplates(
    String.raw`
StringValue.fragment | url | {x}.fragment() | str | fragment | what follows the # in {x}
StringValue.path | url | {x}.path() | str | path | the path of {x}
StringValue.protocol | url | {x}.protocol() | str | protocol | the protocol of {x}
StringValue.query | url | {x}.query() | str | query | the query of {x}
StringValue.query | url | {x}.query("page") | str | page | the parameter page of the query of {x}
`,
    ["bigquery", "snowflake", "sqlite", "trino", "clickhouse"],
  ),
  parseTemplates(`StringValue.host | url | {x}.host() | str | host | the host of {x}`, [
    "bigquery",
    "sqlite",
    "trino",
    "clickhouse",
  ]),
  parseTemplates(`StringValue.file | url | {x}.file() | str | file | the path and query of {x}`, [
    "bigquery",
    "snowflake",
    "trino",
    "clickhouse",
  ]),
  parseTemplates(`StringValue.authority | url | {x}.authority() | str | authority | the authority of {x}`, [
    "snowflake",
    "sqlite",
    "clickhouse",
  ]),
  parseTemplates(`StringValue.userinfo | url | {x}.userinfo() | str | user | the user named in {x}`, [
    "snowflake",
    "sqlite",
  ]),
  parseTemplates(
    String.raw`
StringValue.hashbytes | str | {x}.hashbytes("sha256") | bytes | digest | the SHA-256 of {x} as bytes
BinaryValue.hashbytes | bytes | {x}.hashbytes("md5") | bytes | digest | the MD5 of {x} as bytes
`,
    ["bigquery", "clickhouse", "mssql"],
  ),
].flat();
