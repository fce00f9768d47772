/** The training configurations that come with ibert, which are found by their names. */
import { join } from "node:path";

import { ShippedConfigs } from "../runtime/shipped-configs.js";

export const TRAINING_CONFIGS = new ShippedConfigs("training");

/** The JSON schema of a configuration, for editors. */
export const configSchemaPath = (): string => join(TRAINING_CONFIGS.folder(), "schema.json");
