import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, it } from "vitest";

import { packageRoot } from "./cache.js";
import { OLDEST_NODE, whyNodeIsTooOld } from "./node-version.js";

it.each(["18.20.8", "20.0.0", "20.16.9"])("names Node %s as too old, and what is needed", (version) => {
  expect(whyNodeIsTooOld(version)).toBe(
    `This is Node ${version}; ibert needs 20.17 or later. Install a newer one, such as the current LTS, and try again.`,
  );
});

it.each(["20.17.0", "20.20.2", "22.0.0", "100.1.0", process.versions.node])("takes Node %s", (version) => {
  expect(whyNodeIsTooOld(version)).toBeUndefined();
});

it("asks for what package.json asks for", () => {
  const { engines } = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as {
    engines: { node: string };
  };
  expect(engines.node).toBe(`>=${OLDEST_NODE}`);
});
