import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "./testing/temporary.js";
import { encodeZip } from "./testing/zip-writer.js";
import { readZipMember } from "./zip.js";

function store(bytes: Uint8Array): string {
  const path = join(temporaryFolder(), "archive.whl");
  writeFileSync(path, bytes);
  return path;
}

async function unpack(path: string, name: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readZipMember(path, name)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const LARGE = Buffer.concat(
  Array.from({ length: 20_000 }, (_, i) => createHash("sha256").update(`${i}`).digest()),
);

describe("readZipMember", () => {
  it("unpacks deflated, stored and empty members", async () => {
    const members = { "a/large": LARGE, "b/stored": Buffer.from("as it is"), "c/empty": Buffer.alloc(0) };
    const path = store(encodeZip(members, ["b/stored"]));
    for (const [name, content] of Object.entries(members)) {
      expect((await unpack(path, name)).equals(content), name).toBe(true);
    }
  });

  it("names a member that is not there", async () => {
    const path = store(encodeZip({ a: Buffer.from("x") }));
    await expect(unpack(path, "b")).rejects.toThrow(/archive\.whl: the archive has no member b/);
  });

  it("finds every damage to a member", async () => {
    const whole = encodeZip({ a: LARGE.subarray(0, 300) });
    const dataStart = 30 + 1;
    for (let at = dataStart; at < dataStart + 300; at += 7) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0x5a;
      await expect(unpack(store(damaged), "a"), `byte ${at}`).rejects.toMatchObject({ code: "zip-invalid" });
    }
  });

  it("finds a truncated archive", async () => {
    const whole = encodeZip({ a: LARGE });
    for (const length of [0, 10, 1000, whole.length - 1]) {
      await expect(unpack(store(whole.subarray(0, length)), "a")).rejects.toThrow(/no ZIP directory/);
    }
    await expect(unpack(join(temporaryFolder(), "nothing.whl"), "a")).rejects.toThrow(/no such file/);
  });
});
