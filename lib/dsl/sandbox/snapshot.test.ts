import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"; // prettier-ignore
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pyodideProgram, type PyodideSpec } from "./pyodide.js";
import { SandboxPool } from "./sandbox-pool.js";
import { SandboxProcess, type SandboxProgram } from "./sandbox-process.js";

// `made` is drawn as the module is imported, so processes that go on from one snapshot have it in common. The file that
// is read and the module that is imported late lie in the file system, which is no part of the memory.
const MODULE = `
import json, os, random

made = os.urandom(8).hex()

def handle(method, params):
    import late
    source = open("/dsl/late.py").read()
    return json.dumps({"result": {"made": made, "drawn": random.random(), "late": late.VALUE, "source": source,
                                  "hash": hash("text"), "listed": sorted(os.listdir("/dsl"))}})
`;

interface Answer {
  made: string;
  drawn: number;
  late: number;
  source: string;
  hash: number;
  listed: string[];
}

const folder = mkdtempSync(join(tmpdir(), "ibert-snapshot-"));
const snapshots = join(folder, "kept");
const spec: PyodideSpec = {
  wheels: [],
  modules: { entry: MODULE, late: "VALUE = 7" },
  entry: "entry",
  snapshots,
};
let program: SandboxProgram;
let atTheSameTime: SandboxProgram;

const pathOf = ({ config }: SandboxProgram): string | undefined =>
  (config as { snapshot?: { path: string } }).snapshot?.path;

async function ask(of: SandboxProgram): Promise<Answer> {
  const process = await SandboxProcess.start(of);
  try {
    return (await process.request("any", {}, 60_000)) as Answer;
  } finally {
    await process.close();
  }
}

beforeAll(async () => {
  [program, atTheSameTime] = await Promise.all([pyodideProgram(spec), pyodideProgram(spec)]);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a snapshot of the loaded interpreter", () => {
  it("is what processes go on from, and made once", async () => {
    const path = pathOf(program) ?? "";
    const before = statSync(path);
    const again = await pyodideProgram(spec);
    expect(pathOf(again)).toBe(path);
    expect(statSync(path).ino).toBe(before.ino);
    // Two that make it at once leave one, and no part of another.
    expect(pathOf(atTheSameTime)).toBe(path);
    expect(readdirSync(snapshots)).toHaveLength(1);
    const [one, other] = await Promise.all([ask(program), ask(atTheSameTime)]);
    expect(one.made).toBe(other.made);
    // What is drawn at random later is not in common.
    expect(one.drawn).not.toBe(other.drawn);
  });

  it("gives what a process gives that loads all by itself", async () => {
    const { snapshots: _none, ...without } = spec;
    const fresh = await pyodideProgram(without);
    expect(pathOf(fresh)).toBeUndefined();
    const [loaded, restored] = await Promise.all([ask(fresh), ask(program)]);
    const same = ({ late, source, hash, listed }: Answer) => ({ late, source, hash, listed });
    expect(same(restored)).toEqual(same(loaded));
    expect(restored).toMatchObject({ late: 7, source: "VALUE = 7", listed: ["entry.py", "late.py"] });
    expect(restored.made).not.toBe(loaded.made);
  });

  it("is another one where anything that goes into it differs, and goes when four were used since", async () => {
    const others = [1, 2, 3, 4].map((index) => join(snapshots, `${index}.snapshot`));
    others.forEach((path, index) => {
      writeFileSync(path, "x");
      utimesSync(path, index, index);
    });
    const other = await pyodideProgram({ ...spec, modules: { ...spec.modules, late: "VALUE = 8" } });
    expect(pathOf(other)).not.toBe(pathOf(program));
    expect((await ask(other)).late).toBe(8);
    expect(others.map((path) => existsSync(path))).toEqual([false, false, true, true]);
    // The key is in the file too: one that was renamed is refused.
    writeFileSync(pathOf(other) ?? "", readFileSync(pathOf(program) ?? ""));
    await expect(SandboxProcess.start(other)).rejects.toThrow("it was made of something else");
  });

  it.each<[string, string, (bytes: Buffer) => Buffer]>([
    ["another file", "it is no snapshot", () => Buffer.alloc(1000, 1)],
    ["an empty file", "it ends too early", () => Buffer.alloc(0)],
    ["one that was cut", "it ends too early", (bytes) => bytes.subarray(0, bytes.length - 1)],
    ["a wrong bit in the header", "its header is damaged", (bytes) => flip(bytes, 90)],
    ["a wrong bit in the memory", "its contents are damaged", (bytes) => flip(bytes, bytes.length >> 1)],
    ["a wrong bit in the last file", "its contents are damaged", (bytes) => flip(bytes, bytes.length - 1)],
  ])("refuses %s", async (_name, message, damage) => {
    const path = pathOf(program) ?? "";
    const whole = readFileSync(path);
    try {
      writeFileSync(path, damage(Buffer.from(whole)));
      await expect(SandboxProcess.start(program)).rejects.toThrow(message);
    } finally {
      writeFileSync(path, whole);
    }
  });

  it("is made anew by a pool where it is damaged, missing, or others may write it", async () => {
    const path = pathOf(program) ?? "";
    const { made } = await ask(program);
    const pool = new SandboxPool(() => pyodideProgram(spec), 2);
    const both = (): Promise<Answer[]> =>
      Promise.all([1, 2].map(async () => (await pool.request("any", {}, 60_000)) as Answer));
    try {
      writeFileSync(path, flip(readFileSync(path), -1));
      const [one, other] = await both();
      expect(one?.made).toBe(other?.made);
      expect(one?.made).not.toBe(made);
      expect((await ask(await pyodideProgram(spec))).made).toBe(one?.made);
      chmodSync(path, 0o666);
      expect((await ask(await pyodideProgram(spec))).made).not.toBe(one?.made);
      expect(statSync(path).mode & 0o022).toBe(0);
    } finally {
      await pool.close();
    }
  });

  it("is done without where it cannot be kept", async () => {
    const place = join(folder, "a file");
    writeFileSync(place, "");
    const without = await pyodideProgram({ ...spec, snapshots: place });
    expect(pathOf(without)).toBeUndefined();
    expect((await ask(without)).late).toBe(7);
  });
});

/** The bytes with one bit turned at `offset`, from the end where it is negative. */
function flip(bytes: Buffer, offset: number): Buffer {
  const place = offset < 0 ? bytes.length + offset : offset;
  bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place);
  return bytes;
}
