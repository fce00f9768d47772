/** The package of the CUDA backend, where that was built here. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { expect, it } from "vitest";

import { temporaryFolder } from "../../lib/formats/testing/temporary.ts";
import { OP_TABLE } from "../../lib/runtime/ops.generated.ts";
import { ARCHITECTURES, GENCODE } from "../cuda/architectures.mjs";
import { stageCuda } from "./cuda.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const library = join(root, "build", "Release", "libibert-cuda.so");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

it("names the architectures that nvcc is asked for", () => {
  expect(ARCHITECTURES).toEqual(["sm_80", "sm_90", "compute_80", "compute_120"]);
  for (const name of ARCHITECTURES) expect(GENCODE.join()).toContain(name);
});

it.runIf(existsSync(library))("holds the library and what it was built from, and nothing else", () => {
  const folder = join(temporaryFolder(), "package");
  stageCuda(folder, { library, commit: "0123456", toolkit: "13.0.88" });
  expect(readdirSync(folder).sort()).toEqual([
    "LICENSE",
    "README.md",
    "build.json",
    "libibert-cuda.so",
    "package.json",
  ]);
  const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
  expect(read("build.json")).toEqual({
    version,
    commit: "0123456",
    toolkit: "13.0.88",
    architectures: ARCHITECTURES,
    minimumDriver: "580",
    minimumCuda: "13.0",
    backendAbi: expect.any(Number),
    opTable: OP_TABLE,
    needs: {
      glibc: expect.stringMatching(/^2\.\d+/),
      glibcxx: expect.stringMatching(/^3\.4/),
      libraries: expect.any(Array),
    },
  });
  expect(read("build.json").needs.libraries).not.toContain("libcudart.so.13");
  expect(read("package.json")).toMatchObject({
    name: "@ibert/cuda-linux-x64",
    version,
    ...{ os: ["linux"], cpu: ["x64"], libc: ["glibc"] },
    peerDependencies: { ibert: version },
  });
  expect(read("package.json")).not.toHaveProperty("scripts");
  // The driver that the library itself asks for.
  const driver = readFileSync(join(root, "kernels-cuda/host/driver.cpp"), "utf8");
  expect(driver).toContain("Install driver 580 or later");
  const words = ["pack", "--dry-run", "--ignore-scripts", "--json"];
  const [{ files }] = JSON.parse(execFileSync("npm", words, { cwd: folder, encoding: "utf8" }));
  expect(files.map(({ path }) => path).sort()).toEqual(readdirSync(folder).sort());
});
