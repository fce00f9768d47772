import { Readable, Writable } from "node:stream";
import { describe, expect, it } from "vitest";

import { interruptible } from "./interruptible.js";
import { EXIT, Run } from "./main.js";

function silentRun(): { run: Run; said: string[] } {
  const said: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      said.push(chunk.toString());
      done();
    },
  });
  return { run: new Run({ stdin: Readable.from([]), stdout: stream, stderr: stream }), said };
}

const listeners = (): number => process.listenerCount("SIGINT") + process.listenerCount("SIGTERM");

describe("work that can be interrupted", () => {
  it.each(["SIGINT", "SIGTERM"] as const)("ends by %s with 130, and says what it leaves", async (name) => {
    const { run, said } = silentRun();
    const before = listeners();
    await interruptible(run, "half of it", async (signal) => {
      process.emit(name);
      await Promise.resolve();
      signal.throwIfAborted();
    });
    expect([run.exitCode, said.join("")]).toEqual([EXIT.interrupted, "interrupted: half of it\n"]);
    expect(listeners()).toBe(before);
  });

  it("fails as work fails that nobody interrupts", async () => {
    const { run } = silentRun();
    const before = listeners();
    const failing = interruptible(run, "", () => Promise.reject(new Error("no room")));
    await expect(failing).rejects.toThrow("no room");
    expect([run.exitCode, listeners()]).toEqual([EXIT.ok, before]);
  });
});
