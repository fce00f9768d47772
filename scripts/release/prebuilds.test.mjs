/** The libraries of a release that were built here, held to their floors; a platform that was not built is left out. */
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

import { describe, expect, it } from "vitest";

import { librariesOf, loadCommands, metalKernels, missingKernels, problemsOf } from "./libraries.mjs";
import { PLATFORMS } from "./platforms.mjs";

describe.each(Object.keys(PLATFORMS))("the libraries for %s", (platform) => {
  const libraries = librariesOf(platform);
  const isBuilt = existsSync(dirname(libraries[0].to));

  it.runIf(isBuilt).each(libraries)("$from loads at its floor and exports its entry alone", (library) => {
    const commands = loadCommands(platform, library);
    if (commands.length > 0) console.log([library.to, ...commands].join("\n  "));
    expect(problemsOf(platform, library)).toEqual([]);
  });
});

describe("the library for Metal", () => {
  it("is built for macOS alone, and holds every kernel's source", () => {
    const kernelsIn = (platform) => librariesOf(platform).flatMap(({ kernels }) => kernels);
    expect(kernelsIn("darwin-arm64")).toEqual(metalKernels());
    expect(kernelsIn("linux-arm64")).toEqual([]);
    expect(metalKernels().length).toBeGreaterThan(20);
    expect(metalKernels()).toContain("linearForward");
  });

  it("is refused where a kernel's source is not in it", () => {
    const source = readFileSync(new URL("../../kernels-metal/swiglu.metal", import.meta.url));
    expect(missingKernels(source, ["swigluForward", "swigluBackward", "swiglu"])).toEqual(["swiglu"]);
  });
});
