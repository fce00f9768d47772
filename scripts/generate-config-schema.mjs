// Writes configs/training/schema.json, from which editors complete and check configurations, from the definition in
// lib/training/config.ts. `--check` fails when the file is not what the definition says. Needs dist/ (npm run build:ts).
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { trainingConfigSchema } from "../dist/training/config-schema.js";

const target = fileURLToPath(new URL("../configs/training/schema.json", import.meta.url));
const text = trainingConfigSchema();
if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== text) {
    console.error("configs/training/schema.json is stale: run node scripts/generate-config-schema.mjs");
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
