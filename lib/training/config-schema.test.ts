import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { loadPreset } from "../models/presets.js";
import { packageRoot } from "../runtime/cache.js";
import { trainingConfigSchema } from "./config-schema.js";
import { readTrainingConfig } from "./config-file.js";

const folder = join(packageRoot(), "configs", "training");

describe("configs/training", () => {
  it("has the schema of the definition (npm run generate writes it)", () => {
    expect(readFileSync(join(folder, "schema.json"), "utf8")).toBe(trainingConfigSchema());
  });

  it.each(readdirSync(folder).filter((file) => file.endsWith(".yaml")))(
    "%s is valid and names a preset",
    (file) => {
      expect(loadPreset(readTrainingConfig(join(folder, file)).base).config.layers).toBeGreaterThan(0);
    },
  );
});
