/** An environment may end at any moment, under load: nothing crashes, hangs or stays. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { addonPath } from "./native.js";

interface Ended {
  code: number | string | null;
  stdout: string;
  stderr: string;
}

function runNode(script: string, args: readonly string[], flags: readonly string[] = []): Promise<Ended> {
  const path = fileURLToPath(new URL(`testing/${script}`, import.meta.url));
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [...flags, path, ...args],
      { timeout: 600_000, killSignal: "SIGKILL" },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : (error.signal ?? error.code ?? null), stdout, stderr });
      },
    );
  });
}

const POLICY = "--force-node-api-uncaught-exceptions-policy=true";

describe("a worker that is terminated", () => {
  it.each([
    [160, []],
    [40, [POLICY]],
  ])("at a random moment, %i times, takes its work with it and nothing else (%j)", async (rounds, flags) => {
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, new Uint8Array(8192));
    const { code, stdout, stderr } = await runNode(
      "ending-workers.mjs",
      [addonPath(), String(rounds), file],
      flags,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    // Every fourth has work in flight for seconds; some of these were ended while they still loaded.
    expect(JSON.parse(stdout)).toEqual({
      ended: rounds,
      inFlight: rounds / 4,
      settled: 0,
      errors: [],
      leakedThreads: 0,
    });
  });
});

describe("a process that ends while work is in flight", () => {
  const endings: Record<string, { code: number; stdout: string; stderr?: RegExp }> = {
    exit: { code: 3, stdout: "in flight\n" },
    throw: { code: 1, stdout: "in flight\n", stderr: /thrown on purpose/ },
    reject: { code: 1, stdout: "in flight\n", stderr: /rejected on purpose/ },
    awaited: { code: 0, stdout: "awaited\nidle\n" },
    dropped: { code: 0, stdout: "in flight\n" },
    closed: { code: 0, stdout: "the device cpu was closed before this work had run\nidle\n" },
    worker: { code: 3, stdout: "in flight\n" },
  };

  it.each(Object.keys(endings))("ends as it was told to: %s", async (how) => {
    const { code, stdout, stderr } = endings[how] as (typeof endings)[string];
    for (let i = 0; i < 6; i++) {
      const delay = String(Math.floor(Math.random() * 20));
      const rounds = [[], [POLICY]].map((flags) =>
        runNode("ending-process.mjs", [addonPath(), how, delay], flags),
      );
      for (const ended of await Promise.all(rounds)) {
        expect(ended).toMatchObject({ code, stdout });
        expect(ended.stderr).toMatch(stderr ?? /^$/);
      }
    }
  });
});
