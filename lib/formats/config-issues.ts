/** What is wrong with a configuration, in words that name key and place. */
import type { z } from "zod";

/**
 * One text for all issues: `data.rows: expected number (line 7); …`.
 * @param value what was parsed
 * @param place where in the file a key stands: `line 7`
 */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  place: (key: readonly PropertyKey[]) => string | undefined,
): string {
  const problems = issues.map((issue) => {
    const { path } = issue;
    const at = place(issue.code === "unrecognized_keys" ? [...path, ...issue.keys.slice(0, 1)] : path);
    // What YAML reads where nothing follows a key.
    const empty = issue.code === "invalid_type" && path.length > 0 && valueAt(value, path) === null;
    const message = empty ? "it is empty; give it a value or take the line out" : issue.message;
    return `${path.join(".") || "(top)"}: ${message}${at === undefined ? "" : ` (${at})`}`;
  });
  return problems.join("; ");
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((part, key) => (part as Record<PropertyKey, unknown> | undefined)?.[key], value);
