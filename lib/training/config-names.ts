/** The training configurations that come with ibert, which are found by their names. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { IBertError } from "../errors.js";
import { packageRoot } from "../runtime/cache.js";

const folder = (): string => join(packageRoot(), "configs", "training");

/** The JSON schema of a configuration, for editors. */
export const configSchemaPath = (): string => join(folder(), "schema.json");

/** "devstral", "quickstart". */
export function configNames(): string[] {
  return readdirSync(folder())
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .sort();
}

/** The file of the configuration that has a name. @throws IBertError `config-missing` */
export function namedConfigPath(name: string): string {
  if (configNames().includes(name)) return join(folder(), `${name}.yaml`);
  throw new IBertError("config-missing", `no configuration has the name ${name}`, {
    hint: `There are ${configNames().join(", ")}.`,
  });
}

/** The file that `--config` means: a path as it stands, else a configuration that comes with ibert. */
export function configPath(nameOrFile: string): string {
  return !existsSync(nameOrFile) && configNames().includes(nameOrFile)
    ? namedConfigPath(nameOrFile)
    : nameOrFile;
}
