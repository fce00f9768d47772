import { nodeFileSystem, type FileSystem } from "../atomic.js";

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

/** A disk with room for so many bytes more: what is over is written in part, then refused. */
export function fullDisk(room: number): FileSystem {
  let left = room;
  return {
    ...nodeFileSystem,
    async open(path, flags) {
      const file = await nodeFileSystem.open(path, flags);
      return {
        async write(buffer, offset, length) {
          if (left === 0) throw failure("ENOSPC");
          const { bytesWritten } = await file.write(buffer, offset, Math.min(length, left));
          left -= bytesWritten;
          return { bytesWritten };
        },
        sync: () => file.sync(),
        close: () => file.close(),
      };
    },
  };
}

/** A file system in which the n-th call (from 0) of one function fails with a code. */
export function failing(name: "open" | "mkdir" | "rename" | "rm", call: number, code: string): FileSystem {
  let calls = 0;
  return {
    ...nodeFileSystem,
    [name]: async (...args: unknown[]) => {
      if (calls++ === call) throw failure(code);
      return (nodeFileSystem[name] as (...args: unknown[]) => Promise<unknown>)(...args);
    },
  };
}
