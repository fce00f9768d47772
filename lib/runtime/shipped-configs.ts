/** The configurations that come with ibert, one folder of YAML files a kind, which are found by their names. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { IBertError } from "../errors.js";
import { packageRoot } from "./cache.js";

export class ShippedConfigs {
  /** @param kind folder below `configs/` */
  constructor(private readonly kind: string) {}

  folder(): string {
    return join(packageRoot(), "configs", this.kind);
  }

  /** "full", "quickstart". */
  names(): string[] {
    return readdirSync(this.folder())
      .filter((file) => file.endsWith(".yaml"))
      .map((file) => file.slice(0, -".yaml".length))
      .sort();
  }

  /** The file of the configuration that has a name. @throws IBertError `config-missing` */
  named(name: string): string {
    if (this.names().includes(name)) return join(this.folder(), `${name}.yaml`);
    throw new IBertError("config-missing", `no configuration has the name ${name}`, {
      hint: `There are ${this.names().join(", ")}.`,
    });
  }

  /** The file that `--config` means: a path as it stands, else a configuration that comes with ibert. */
  pathOf(nameOrFile: string): string {
    return !existsSync(nameOrFile) && this.names().includes(nameOrFile)
      ? join(this.folder(), `${nameOrFile}.yaml`)
      : nameOrFile;
  }
}
