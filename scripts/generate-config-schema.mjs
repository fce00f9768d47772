// Writes configs/training/schema.json, from which editors complete and check configurations, from the definition in
// lib/training/config.ts. A test says when the file is stale. Needs dist/ (npm run build:ts).
import { writeFileSync } from "node:fs";

import { trainingConfigSchema } from "../dist/training/config-schema.js";

writeFileSync(new URL("../configs/training/schema.json", import.meta.url), trainingConfigSchema());
