/** The rules by which programs are found in repositories: Semgrep's own format, and what each match stands for. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

import { IBertError } from "../../errors.js";
import { describeIssues } from "../../formats/config-issues.js";
import { describeSystemError } from "../../formats/system-error.js";
import { lineOf, readYamlMapping } from "../../formats/yaml.js";
import { packageRoot } from "../../runtime/cache.js";

/** What of a file a match stands for. */
export const EXCERPTS = ["statement", "function", "docstring", "pair"] as const;
export type ExcerptKind = (typeof EXCERPTS)[number];

/** The rules that come with ibert. */
export const ownRules = (): string => join(packageRoot(), "configs", "semgrep");

const ruleShape = z.looseObject({
  id: z.string().regex(/^[\w-]+$/),
  metadata: z.looseObject({ excerpt: z.enum(EXCERPTS) }),
});
export type Rule = z.infer<typeof ruleShape>;
const fileShape = z.strictObject({ rules: z.array(ruleShape).min(1) });

/**
 * The rules of a YAML file, or of those of a folder, by their names. What a pattern holds is for Semgrep to judge.
 * @throws IBertError `config-missing` for a folder without any, `config-invalid` naming file, key and line,
 * `file-missing`, `text-encoding`
 */
export function readRules(place: string): Rule[] {
  const rules: Rule[] = [];
  const files = filesOf(place);
  if (files.length === 0) {
    throw new IBertError("config-missing", `${place}: no file there ends in .yaml`, {
      hint: `Name a folder of Semgrep rules, such as ${ownRules()}.`,
    });
  }
  for (const file of files) {
    const yaml = readYamlMapping(file, "Name a file of Semgrep rules, or a folder of them.");
    const parsed = fileShape.safeParse(yaml.value);
    if (!parsed.success) {
      const faults = describeIssues(parsed.error.issues, yaml.value, (key) => lineOf(yaml, key));
      throw new IBertError("config-invalid", `${file}: ${faults}`, {
        hint: `A rule has an id, and under metadata an excerpt: ${EXCERPTS.join(", ")}.`,
      });
    }
    for (const rule of parsed.data.rules) {
      if (rules.some(({ id }) => id === rule.id)) {
        throw new IBertError("config-invalid", `${file}: a second rule has the id ${rule.id}`);
      }
      rules.push(rule);
    }
  }
  return rules.sort((one, other) => (one.id < other.id ? -1 : 1));
}

function filesOf(place: string): string[] {
  try {
    if (!statSync(place).isDirectory()) return [place];
    const names = readdirSync(place).filter((name) => /\.ya?ml$/.test(name));
    return names.sort().map((name) => join(place, name));
  } catch (error) {
    throw describeSystemError(error, "read", place);
  }
}
