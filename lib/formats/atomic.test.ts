import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { currentDirectory, nodeFileSystem, replaceDirectoryAtomic, writeFileAtomic } from "./atomic.js";
import { failing, fullDisk } from "./testing/failing-file-system.js";
import { temporaryFolder } from "./testing/temporary.js";

const read = (path: string): string => readFileSync(path, "utf8");

describe("writeFileAtomic", () => {
  it("writes text, bytes and chunks, into folders that it makes", async () => {
    const path = join(temporaryFolder(), "a", "b", "file");
    await writeFileAtomic(path, "text");
    expect(read(path)).toBe("text");
    await writeFileAtomic(path, Buffer.from("bytes"));
    expect(read(path)).toBe("bytes");
    await writeFileAtomic(path, [Buffer.from("ch"), Buffer.from("unks")]);
    expect(read(path)).toBe("chunks");
    expect(readdirSync(join(path, ".."))).toEqual(["file"]);
  });

  it("keeps the old content and leaves nothing behind when the disk fills", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "file");
    await writeFileAtomic(path, "old");
    const writing = writeFileAtomic(path, "much longer", { fileSystem: fullDisk(5) });
    await expect(writing).rejects.toMatchObject({
      code: "disk-full",
      message: expect.stringContaining(`${path}: cannot write: no space left on the disk`) as string,
    });
    expect(read(path)).toBe("old");
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  it("goes on after short writes", async () => {
    const path = join(temporaryFolder(), "file");
    const oneByteAtATime = {
      ...nodeFileSystem,
      open: async (name: string, flags: "wx" | "r") => {
        const file = await nodeFileSystem.open(name, flags);
        return {
          write: (buffer: Uint8Array, offset: number) => file.write(buffer, offset, 1),
          sync: () => file.sync(),
          close: () => file.close(),
        };
      },
    };
    await writeFileAtomic(path, "slowly", { fileSystem: oneByteAtATime });
    expect(read(path)).toBe("slowly");
  });

  it("writes more than 2 GiB in pieces that the system takes", async () => {
    const [lengths, path] = [[] as number[], join(temporaryFolder(), "file")];
    const counting = {
      ...nodeFileSystem,
      open: async (name: string, flags: "wx" | "r") => {
        const file = await nodeFileSystem.open(name, flags);
        return {
          // As Node does: a length is a signed 32-bit number.
          write: (_: Uint8Array, offset: number, length: number) => {
            if (length > 2 ** 31 - 1) throw new RangeError(`length ${length} is out of range`);
            expect(offset).toBe(lengths.reduce((sum, one) => sum + one, 0));
            lengths.push(length);
            return Promise.resolve({ bytesWritten: length });
          },
          sync: () => file.sync(),
          close: () => file.close(),
        };
      },
    };
    // Never touched, so it takes no memory.
    const content = new Uint8Array(2 ** 31 + 7);
    await writeFileAtomic(path, content, { fileSystem: counting });
    expect(lengths.reduce((sum, one) => sum + one, 0)).toBe(content.length);
  });

  it("reports a disk that takes no bytes and says nothing", async () => {
    const mute = {
      ...nodeFileSystem,
      open: async (name: string, flags: "wx" | "r") => {
        const file = await nodeFileSystem.open(name, flags);
        return {
          write: () => Promise.resolve({ bytesWritten: 0 }),
          sync: () => file.sync(),
          close: () => file.close(),
        };
      },
    };
    const path = join(temporaryFolder(), "file");
    await expect(writeFileAtomic(path, "x", { fileSystem: mute })).rejects.toThrow("took no more bytes");
  });

  it.each(["open", "rename", "mkdir"] as const)("names the path when %s is denied", async (call) => {
    const folder = temporaryFolder();
    const path = join(folder, "file");
    await expect(
      writeFileAtomic(path, "x", { fileSystem: failing(call, 0, "EACCES") }),
    ).rejects.toMatchObject({
      code: "write-failed",
      message: expect.stringContaining(`${path}: cannot write: permission denied`) as string,
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it("passes on what the producer of the content throws", async () => {
    const folder = temporaryFolder();
    function* content(): Generator<Uint8Array> {
      yield Buffer.from("half");
      throw new Error("the source broke");
    }
    await expect(writeFileAtomic(join(folder, "file"), content())).rejects.toThrow("the source broke");
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("replaceDirectoryAtomic", () => {
  const fill = (text: string) => (folder: string) => writeFile(join(folder, "file"), text);

  it("makes and replaces a folder", async () => {
    const parent = temporaryFolder();
    const path = join(parent, "adapter");
    await replaceDirectoryAtomic(path, fill("first"));
    await replaceDirectoryAtomic(path, fill("second"));
    expect(read(join(path, "file"))).toBe("second");
    expect(readdirSync(parent)).toEqual(["adapter"]);
  });

  it("keeps the old folder when filling fails", async () => {
    const parent = temporaryFolder();
    const path = join(parent, "adapter");
    await replaceDirectoryAtomic(path, fill("first"));
    const failed = replaceDirectoryAtomic(path, async (folder) => {
      await writeFileAtomic(join(folder, "file"), "second", { fileSystem: fullDisk(3) });
    });
    await expect(failed).rejects.toMatchObject({ code: "disk-full" });
    expect(read(join(path, "file"))).toBe("first");
    expect(readdirSync(parent)).toEqual(["adapter"]);
  });

  it("puts the old folder back when the new one cannot take its place", async () => {
    const parent = temporaryFolder();
    const path = join(parent, "adapter");
    await replaceDirectoryAtomic(path, fill("first"));
    const fileSystem = failing("rename", 1, "EIO");
    await expect(replaceDirectoryAtomic(path, fill("second"), { fileSystem })).rejects.toThrow(
      "cannot write",
    );
    expect(read(join(path, "file"))).toBe("first");
    expect(readdirSync(parent)).toEqual(["adapter"]);
  });

  it("finds the old folder after a crash between the two renames, and ends the replacement next time", async () => {
    const parent = temporaryFolder();
    const path = join(parent, "adapter");
    const old = join(parent, ".adapter.old-12345678");
    mkdirSync(old);
    writeFileSync(join(old, "file"), "first");
    mkdirSync(join(parent, ".adapter.new-12345678"));
    expect(await currentDirectory(path)).toBe(old);
    await expect(replaceDirectoryAtomic(path, () => Promise.reject(new Error("not yet")))).rejects.toThrow(
      "not yet",
    );
    expect(await currentDirectory(path)).toBe(path);
    expect(read(join(path, "file"))).toBe("first");
    expect(readdirSync(parent)).toEqual(["adapter"]);
  });
});
