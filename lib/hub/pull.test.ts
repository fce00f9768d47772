/** Pulls from a server on this machine that speaks the hub's interface. */
import { spawn } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { PullOptions, PullProgress } from "./pull.js";
import { hubSettings } from "./settings.js";
import { COMMIT, cutAfter, gitHash, status } from "./testing/hub-server.js";
import { expectWhole, FILES, hash, setting, SHARD, WANTED } from "./testing/setting.js";

describe("pullModel", () => {
  it("lays a model out as Hugging Face's programs do, and asks for nothing twice", async () => {
    const { hub, pull, repository } = await setting();
    const seen: PullProgress[] = [];
    const { folder, totalBytes, fetchedBytes } = await pull("v1/x", {
      onProgress: (progress) => seen.push(progress),
    });
    expect(folder).toBe(join(repository, "snapshots", COMMIT));
    expectWhole(folder);
    expect(readFileSync(join(repository, "refs", "v1", "x"), "utf8")).toBe(COMMIT);
    expect(readdirSync(join(repository, "blobs")).sort()).toEqual(WANTED.map(hash).sort());
    expect(readlinkSync(join(folder, SHARD))).toBe(join("..", "..", "blobs", hash(SHARD)));
    expect(readlinkSync(join(folder, "tekken.json"))).toBe(
      join("..", "..", "blobs", gitHash(FILES["tekken.json"] as Buffer)),
    );
    const whole = WANTED.reduce((sum, name) => sum + (FILES[name] as Buffer).length, 0);
    expect([totalBytes, fetchedBytes]).toEqual([whole, whole]);
    expect(seen.at(-1)).toEqual({ doneBytes: whole, totalBytes: whole, doneFiles: 5, files: 5 });
    expect(seen.every(({ doneBytes }, i) => doneBytes >= (seen[i - 1]?.doneBytes ?? 0))).toBe(true);
    // Configuration and tokenizer come before the first weight.
    const order = hub.asked
      .filter(({ path }) => path.includes("/resolve/"))
      .map(({ path }) => path.endsWith(".safetensors"));
    expect(order).toEqual([false, false, false, true, true]);

    // The branch is asked for anew; of its files, none. A commit asks for nothing at all.
    hub.asked.length = 0;
    expect(await pull("main")).toEqual({ folder, commit: COMMIT, totalBytes: whole, fetchedBytes: 0 });
    expect(hub.asked.some(({ path }) => path.includes("/resolve/"))).toBe(false);
    hub.asked.length = 0;
    expect(await pull(COMMIT)).toEqual({ folder, commit: COMMIT, totalBytes: whole, fetchedBytes: 0 });
    expect(hub.asked).toEqual([]);
  });

  it("sends the token to the hub alone, not to the host that it redirects to", async () => {
    const { hub, pull } = await setting(FILES, { HF_TOKEN: "hf_secret" });
    hub.gate = "hf_secret";
    expectWhole((await pull()).folder);
    const hosts = (host: string) => [
      ...new Set(hub.asked.filter((one) => one.host === host).map(({ token }) => token)),
    ];
    expect(hosts("hub")).toEqual(["hf_secret"]);
    expect(hosts("cdn")).toEqual([undefined]);
  });

  it("goes on by ranges where connections are cut", async () => {
    const { hub, pull, waits, reports } = await setting();
    hub.faults.set(SHARD, [cutAfter(100_000), cutAfter(50_000), status(503)]);
    hub.faults.set("tekken.json", [cutAfter(3)]);
    expectWhole((await pull()).folder);
    const ranges = hub.asked
      .filter(({ path, host }) => path.endsWith(SHARD) && host === "cdn")
      .map(({ range }) => range);
    expect(ranges).toEqual([undefined, "bytes=100000-", "bytes=150000-", "bytes=150000-"]);
    // What brings bytes starts the count of failures anew.
    expect(waits).toEqual([500, 500, 500, 1000]);
    expect(reports).toContain(`owner/name/${SHARD}: the hub answers 503 (not now); again in 1 s`);
  });

  it("gives up a dead connection, keeps what came, and a later pull continues it", async () => {
    const { hub, pull, waits, repository } = await setting();
    hub.faults.set(SHARD, [cutAfter(120_000), ...Array.from({ length: 6 }, () => status(502))]);
    await expect(pull("main", { connections: 1 })).rejects.toMatchObject({
      code: "download-failed",
      message: expect.stringMatching(
        /model-00001-of-00002\.safetensors could not be fetched: the hub answers 502 .*\n.*run this again: what has come is kept/,
      ) as string,
    });
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000]);
    expect(existsSync(join(repository, "refs"))).toBe(false);
    const part = join(repository, "blobs", `${hash(SHARD)}.ibert-part`);
    expect(statSync(part).size).toBe(120_000);
    hub.asked.length = 0;
    expectWhole((await pull()).folder);
    expect(hub.asked.find(({ path, host }) => path.endsWith(SHARD) && host === "cdn")?.range).toBe(
      "bytes=120000-",
    );
    expect(hub.downloads("tekken.json")).toEqual([]);
    expect(existsSync(part)).toBe(false);
  });

  it("gives up a connection on which nothing comes", async () => {
    const { hub, pull, reports } = await setting();
    hub.faults.set(SHARD, [
      (_request, response, content) => {
        response.writeHead(200, { "content-length": content.length }).write(content.subarray(0, 1000));
        return true;
      },
    ]);
    expectWhole((await pull("main", { stallSeconds: 1 })).folder);
    expect(reports).toContain(`owner/name/${SHARD}: no byte came in 1 s; again in 1 s`);
  });

  it("starts over where the server knows no ranges, or sends others", async () => {
    const { hub, pull } = await setting();
    const ignoring = (
      _request: unknown,
      response: { writeHead(code: number): { end(bytes: Buffer): void } },
      content: Buffer,
    ): boolean => {
      response.writeHead(200).end(content);
      return true;
    };
    hub.faults.set(SHARD, [
      cutAfter(100_000),
      status(206, { "content-range": "bytes 7-9/300000" }),
      ignoring,
    ]);
    expectWhole((await pull()).folder);
  });

  it("keeps nothing of a file whose hash is wrong, and all of the others", async () => {
    const { hub, pull, repository } = await setting();
    const wrong = (
      _request: unknown,
      response: { writeHead(code: number): { end(bytes: Buffer): void } },
      content: Buffer,
    ): boolean => {
      response.writeHead(200).end(Buffer.alloc(content.length));
      return true;
    };
    hub.faults.set(SHARD, [wrong]);
    await expect(pull()).rejects.toMatchObject({
      code: "hash-mismatch",
      message: expect.stringContaining(
        `owner/name/${SHARD}: what was fetched has another hash than the hub names, ${hash(SHARD)}`,
      ) as string,
    });
    const blobs = readdirSync(join(repository, "blobs"));
    expect(blobs.sort()).toEqual(
      WANTED.filter((name) => name !== SHARD)
        .map(hash)
        .sort(),
    );
    // The hash of a small file is git's.
    hub.faults.set("tekken.json", [wrong]);
    await rm(join(repository, "blobs", hash("tekken.json")));
    await expect(pull()).rejects.toMatchObject({ code: "hash-mismatch" });
    expectWhole((await pull()).folder);
  });

  it("throws a part away that turns out to be wrong, and fetches it anew", async () => {
    const { hub, pull, repository } = await setting();
    mkdirSync(join(repository, "blobs"), { recursive: true });
    writeFileSync(join(repository, "blobs", `${hash(SHARD)}.ibert-part`), Buffer.alloc(1000));
    writeFileSync(join(repository, "blobs", `${hash("config.json")}.ibert-part`), Buffer.alloc(100));
    // A blob that was cut after it came.
    writeFileSync(join(repository, "blobs", hash("tekken.json")), "{");
    const seen: PullProgress[] = [];
    expectWhole((await pull("main", { onProgress: (progress) => seen.push(progress) })).folder);
    const ranges = hub.asked
      .filter(({ path, host }) => path.endsWith(SHARD) && host === "cdn")
      .map(({ range }) => range);
    expect(ranges).toEqual(["bytes=1000-", undefined]);
    expect(seen.at(-1)).toMatchObject({ doneBytes: seen[0]?.totalBytes, doneFiles: 5 });
  });

  it("waits as long as a busy hub asks", async () => {
    const { hub, pull, waits } = await setting();
    const inTwoHours = new Date(Date.now() + 7_200_000).toUTCString();
    hub.faults.set("api", [status(429, { "retry-after": "17" }), status(429, { "retry-after": inTwoHours })]);
    expectWhole((await pull()).folder);
    // Never longer than five minutes.
    expect(waits).toEqual([17_000, 300_000]);
  });

  it.each<[string, string | undefined, RegExp]>([
    [
      "no token",
      undefined,
      /the hub answers 401 \(Access is restricted\.\)\n.*Accept the model's terms at http.*\/owner\/name\. Set HF_TOKEN/,
    ],
    [
      "a token that may not",
      "hf_other",
      /answers 403 .*\n.*Accept the model's terms.*may not read it, or is no longer valid/,
    ],
  ])("says what mends a gated model: %s", async (_, token, message) => {
    const { hub, pull } = await setting(FILES, token === undefined ? {} : { HF_TOKEN: token });
    hub.gate = "hf_secret";
    await expect(pull()).rejects.toMatchObject({
      code: "hub-refused",
      message: expect.stringMatching(message) as string,
    });
  });

  it("tells a repository, a revision and a network that are not there apart", async () => {
    const { pull } = await setting();
    await expect(pull("main", {}, "owner/none")).rejects.toMatchObject({
      code: "hub-refused",
      message: expect.stringMatching(
        /owner\/none \(revision main\).*\n.*there is no such model, or it is private\. Set HF_TOKEN/,
      ) as string,
    });
    await expect(pull("v9")).rejects.toMatchObject({
      code: "download-failed",
      message: expect.stringMatching(
        /owner\/name \(revision v9\): the hub answers 404 .*\n.*name and the revision/,
      ) as string,
    });
    const fetch = () =>
      Promise.reject(new TypeError("fetch failed", { cause: new Error("getaddrinfo ENOTFOUND") }));
    await expect(pull("main", { fetch })).rejects.toThrow(
      /could not be fetched: fetch failed: getaddrinfo ENOTFOUND\n.*network/,
    );
    const loop = () => Promise.resolve(new Response(null, { status: 302, headers: { location: "/again" } }));
    await expect(pull("main", { fetch: loop })).rejects.toThrow(/redirects to "\/again", without an end/);
    const page = () => Promise.resolve(new Response('{"sha": "main"}'));
    await expect(pull("main", { fetch: page })).rejects.toThrow(/the answer is not the hub's \(sha: /);
  });

  it("makes no request offline", async () => {
    const { hub, pull, cache } = await setting();
    const settings = hubSettings({ HF_HUB_CACHE: cache, HF_ENDPOINT: hub.endpoint, HF_HUB_OFFLINE: "1" });
    await expect(pull("main", { settings })).rejects.toThrow(/is not here, and HF_HUB_OFFLINE is set/);
    expect(hub.asked).toEqual([]);
    const { folder } = await pull();
    hub.asked.length = 0;
    expect((await pull("main", { settings })).folder).toBe(folder);
    expect(hub.asked).toEqual([]);
    await rm(join(folder, SHARD));
    await expect(pull("main", { settings })).rejects.toThrow(/HF_HUB_OFFLINE/);
  });

  it("refuses before the first byte what the disk has no room for", async () => {
    const { hub, pull, cache } = await setting();
    await expect(pull("main", { freeBytes: () => Promise.resolve(500_000) })).rejects.toMatchObject({
      code: "disk-full",
      message: expect.stringContaining("are to be fetched, and") as string,
    });
    expect(readdirSync(cache)).toEqual([]);
    expect(hub.downloads(SHARD)).toEqual([]);
  });

  it("keeps what came when the disk is full after all, or may not be written", async () => {
    const { pull, cache, repository } = await setting();
    const full: PullOptions["openPart"] = async (path) => {
      const file = await open(path, "w+");
      return {
        truncate: (length) => file.truncate(length),
        sync: () => file.sync(),
        close: () => file.close(),
        async write(bytes, offset, length, position) {
          const room = Math.min(length, 150_000 - position);
          if (room <= 0) throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
          return file.write(bytes, offset, room, position);
        },
      };
    };
    const failure = pull("main", { openPart: full, connections: 1 });
    await expect(failure).rejects.toMatchObject({
      code: "disk-full",
      message: expect.stringContaining(hash(SHARD)) as string,
    });
    expect(statSync(join(repository, "blobs", `${hash(SHARD)}.ibert-part`)).size).toBe(150_000);
    expect(readdirSync(join(cache, ".locks", "models--owner--name"))).toEqual([]);
    expectWhole((await pull()).folder);

    const denied = (): never => {
      throw Object.assign(new Error("EACCES"), { code: "EACCES" });
    };
    const other = await setting();
    await expect(other.pull("main", { openPart: denied })).rejects.toMatchObject({
      code: "write-failed",
      message: expect.stringMatching(/permission denied\n.*name another place/) as string,
    });
    const blocked = await setting();
    writeFileSync(blocked.repository, "a file where a folder should be");
    await expect(blocked.pull()).rejects.toMatchObject({ code: "write-failed" });
  });

  it("links hard where symbolic links are not allowed, and copies where there are no links", async () => {
    const refuse = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }));
    const { pull } = await setting();
    const { folder } = await pull("main", { links: { symlink: refuse("EPERM"), link: refuse("ENOTSUP") } });
    expectWhole(folder);
    expect(lstatSync(join(folder, SHARD)).isSymbolicLink()).toBe(false);
    expect(statSync(join(folder, SHARD)).nlink).toBe(1);
    const hard = await setting();
    const { link } = await import("node:fs/promises");
    const linked = await hard.pull("main", { links: { symlink: refuse("EPERM"), link } });
    expect(statSync(join(linked.folder, SHARD)).nlink).toBe(2);
  });

  it("shares the work of two pulls at a time", async () => {
    const { hub, pull, reports } = await setting();
    const slow = (
      _request: unknown,
      response: { writeHead(code: number): { end(bytes: Buffer): void } },
      content: Buffer,
    ): boolean => {
      setTimeout(() => response.writeHead(200).end(content), 300);
      return true;
    };
    hub.faults.set(SHARD, [slow]);
    const [first, second] = await Promise.all([pull(), pull()]);
    expect(first.folder).toBe(second.folder);
    expectWhole(first.folder);
    for (const name of WANTED) expect(hub.downloads(name).length, name).toBe(1);
    expect(reports).toContain(`waiting for another pull of owner/name/${SHARD}`);
  });

  it("takes over the lock of a process that is no more, and not of one that is", async () => {
    const { pull, cache } = await setting();
    const locks = join(cache, ".locks", "models--owner--name");
    mkdirSync(locks, { recursive: true });
    const child = spawn(process.execPath, ["-e", ""]);
    await new Promise((resolve) => child.on("exit", resolve));
    writeFileSync(join(locks, `${hash(SHARD)}.ibert`), JSON.stringify({ pid: child.pid, host: hostname() }));
    // On another machine, silent for long.
    const silent = join(locks, `${hash("config.json")}.ibert`);
    writeFileSync(silent, JSON.stringify({ pid: 1, host: "elsewhere" }));
    utimesSync(silent, new Date(Date.now() - 120_000), new Date(Date.now() - 120_000));
    // At work: this process.
    const held = join(locks, `${hash("tekken.json")}.ibert`);
    writeFileSync(held, JSON.stringify({ pid: process.pid, host: hostname() }));
    let isFree = false;
    setTimeout(() => {
      isFree = true;
      void rm(held);
    }, 400);
    expectWhole((await pull()).folder);
    expect(isFree).toBe(true);
  });

  it("is content where another process brought the blob in the meantime", async () => {
    const { pull } = await setting();
    const raced: PullOptions["openPart"] = async (path) => {
      const file = await open(path, "w+");
      const close = file.close.bind(file);
      return Object.assign(file, {
        close: async () => {
          await close();
          await rename(path, path.replace(".ibert-part", ""));
        },
      });
    };
    expectWhole((await pull("main", { openPart: raced })).folder);
  });

  it("ends before the weights where the configuration is refused", async () => {
    const { hub, pull } = await setting();
    const check = (snapshot: string): void => {
      expect(readdirSync(snapshot)).toContain("tekken.json");
      throw new Error("of an architecture that does not run");
    };
    await expect(pull("main", { check })).rejects.toThrow(/architecture that does not run/);
    expect(hub.downloads(SHARD)).toEqual([]);
  });
});
