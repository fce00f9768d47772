import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { vi } from "vitest";

import { temporaryFolder } from "../../formats/testing/temporary.js";
import { trialKey } from "../addon-file.js";
import { addonPath } from "../native.js";
import { keepVerdict } from "../verdicts.js";

/** The runtime on a build of its own, beside which some library lies as CUDA's. */
export async function runtimeBeside(library: (path: string) => void) {
  const built = addonPath();
  const folder = join(temporaryFolder(), "build");
  mkdirSync(folder);
  cpSync(built, join(folder, "ibert.node"));
  keepVerdict(trialKey(join(folder, "ibert.node"))); // as of the one that it is a copy of
  library(join(folder, "libibert-cuda.so"));
  vi.stubEnv("IBERT_ADDON", join(folder, "ibert.node"));
  vi.resetModules();
  return import("../device.js");
}
