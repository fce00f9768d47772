/** The libraries of a release that were built here, held to their floors; what was not built, or of other sources, is left out. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../../lib/formats/testing/temporary.ts";
import { flattened, metalFiles } from "../metal/kernels.mjs";
import { librariesOf, loadCommands, missingSources, problemsOf, requireFit } from "./libraries.mjs";
import { PLATFORMS } from "./platforms.mjs";

const kernels = fileURLToPath(new URL("../../kernels-metal", import.meta.url));
const newestKernel = Math.max(...readdirSync(kernels).map((file) => statSync(join(kernels, file)).mtimeMs));

/** Whether a library was built, and of the kernels that are there. */
function isCurrent({ to, sources }) {
  return existsSync(to) && (sources.length === 0 || statSync(to).mtimeMs > newestKernel);
}
const built = Object.keys(PLATFORMS).flatMap((platform) =>
  librariesOf(platform)
    .filter(isCurrent)
    .map((library) => [platform, library.from, library]),
);

it.each(built)("what was built for %s, %s, loads at its floor and exports its entry alone", (...words) => {
  const [platform, , library] = words;
  const commands = loadCommands(platform, library);
  if (commands.length > 0) console.log([library.to, ...commands].join("\n  "));
  expect(problemsOf(platform, library)).toEqual([]);
});

it("keeps out of a package what is not there or does not pass", () => {
  const to = join(temporaryFolder(), "ibert.node");
  const library = { to, entries: ["napi_register_module_v1"], sources: [] };
  const build = "npm run release:build -- --platforms darwin-arm64";
  expect(() => requireFit("darwin-arm64", [library])).toThrow(`${to} is not there: ${build}`);
  const golden = (name) => gunzipSync(readFileSync(new URL(`goldens/${name}.gz`, import.meta.url)));
  writeFileSync(to, golden("macos-14.dylib"));
  expect(() => requireFit("darwin-arm64", [library])).toThrow(
    `${to} needs macOS 14.0; 13.0 is the floor: ${build}`,
  );
  writeFileSync(to, golden("macos-13.dylib"));
  expect(() => requireFit("darwin-arm64", [library])).not.toThrow();
});

describe("the library for Metal", () => {
  it("is built for macOS alone, and holds the text of all kernels", () => {
    const sourcesIn = (platform) => librariesOf(platform).flatMap(({ sources }) => sources);
    expect(sourcesIn("darwin-arm64")).toEqual(metalFiles(kernels));
    expect(sourcesIn("linux-arm64")).toEqual([]);
    expect(sourcesIn("darwin-arm64")).toContain("lora_linear.metal");
  });

  it("is refused where the text of a file is not in it as it is", () => {
    const text = Buffer.from(flattened(kernels, "swiglu.metal"));
    expect(missingSources(text, ["swiglu.metal", "rope.metal"])).toEqual(["rope.metal"]);
    expect(missingSources(text.subarray(1), ["swiglu.metal"])).toEqual(["swiglu.metal"]);
  });
});
