/** Models in several GGUFs. */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { describe, expect, it } from "vitest";

import { openGguf } from "./gguf.js";
import { encodeGguf, type TensorToStore, type TypedValue } from "./testing/gguf-writer.js";
import { temporaryFolder } from "./testing/temporary.js";

const tensor = (name: string, value: number): TensorToStore => ({
  name,
  dtype: "F32",
  shape: [2],
  data: new Uint8Array(Float32Array.of(value, value).buffer),
});

interface Part {
  metadata?: Record<string, TypedValue>;
  tensors: TensorToStore[];
}

/** Writes parts with the metadata that llama-gguf-split gives them; returns the first one's path. */
function write(parts: readonly Part[], folder = temporaryFolder()): string[] {
  const total = parts.reduce((sum, { tensors }) => sum + tensors.length, 0);
  return parts.map(({ metadata = {}, tensors }, i) => {
    const path = join(folder, `m-0000${i + 1}-of-0000${parts.length}.gguf`);
    const split: Record<string, TypedValue> = {
      "split.no": { type: "u16", value: i },
      "split.count": { type: "u16", value: parts.length },
      "split.tensors.count": { type: "i32", value: total },
    };
    writeFileSync(path, encodeGguf({ metadata: { ...split, ...metadata }, tensors }));
    return path;
  });
}

const KEY = { "general.name": { type: "string", value: "of the first" } } as const;
const PARTS: Part[] = [
  { metadata: KEY, tensors: [] },
  { tensors: [tensor("a", 1), tensor("b", 2)] },
  { tensors: [tensor("c", 3)] },
];

describe("a split model", () => {
  it("is opened whole by the name of any part", async () => {
    const paths = write(PARTS);
    for (const path of paths) {
      const gguf = openGguf(path);
      expect([...gguf.tensors.keys()]).toEqual(["a", "b", "c"]);
      expect(gguf.metadata.get("general.name")).toBe("of the first");
      expect(gguf.parts).toEqual(paths);
      expect(gguf.tensors.get("c")?.path).toBe(paths[2]);
      expect([...new Float32Array((await gguf.read("c")).buffer)]).toEqual([3, 3]);
    }
  });

  it("is read anew when any of its parts has changed", () => {
    const [first = "", second = ""] = write(PARTS);
    const held = openGguf(first);
    expect(openGguf(first)).toBe(held);
    write(PARTS.with(1, { tensors: [tensor("longer name of a", 4), tensor("b", 2)] }), dirname(second));
    expect([...openGguf(first).tensors.keys()]).toEqual(["longer name of a", "b", "c"]);
  });

  it("names the part that is missing, is another model's or has another name", () => {
    const refused = (change: (paths: string[]) => string, parts = PARTS): string => {
      try {
        openGguf(change(write(parts)));
      } catch (error) {
        expect(error).toMatchObject({ code: "gguf-split" });
        return (error as Error).message;
      }
      return expect.unreachable();
    };
    expect(
      refused(([first = "", second = ""]) => {
        rmSync(second);
        return first;
      }),
    ).toMatch(
      /m-00001-of-00003\.gguf: of 3 parts of the model number 2 is missing: .*m-00002-of-00003\.gguf\n.*all parts/,
    );
    expect(
      refused(([first = ""]) => {
        renameSync(first, join(dirname(first), "model.gguf"));
        return join(dirname(first), "model.gguf");
      }),
    ).toMatch(
      /one of 3 parts of a split model.*names end in -00001-of-00003\.gguf.*\n.*llama-gguf-split --merge/,
    );
    expect(
      refused(([first = "", second = "", third = ""]) => {
        renameSync(third, second);
        writeFileSync(third, encodeGguf({ tensors: [tensor("c", 3)] }));
        return first;
      }),
    ).toMatch(
      /m-00002-of-00003\.gguf: by its name this is part 2 of 3, but split\.no is 2 and split\.count 3/,
    );
    expect(
      refused(([first = "", , third = ""]) => {
        writeFileSync(third, encodeGguf({ tensors: [tensor("c", 3)] }));
        return first;
      }),
    ).toMatch(/but split\.no is undefined and split\.count 1/);
    const twice = PARTS.with(2, { tensors: [tensor("a", 3)] });
    expect(refused(([first = ""]) => first, twice)).toMatch(
      /tensor a stands in .*00002-of-00003\.gguf and in .*00003/,
    );
    const count = { "split.tensors.count": { type: "i32", value: 4 } } as const;
    expect(refused(([first = ""]) => first, PARTS.with(0, { metadata: count, tensors: [] }))).toMatch(
      /the parts hold 3 tensors, and split\.tensors\.count is 4/,
    );
  });

  it("says which of its parts is cut short", () => {
    const [first = "", , third = ""] = write(PARTS);
    writeFileSync(third, encodeGguf({ tensors: [tensor("c", 3)] }).subarray(0, 40));
    expect(() => openGguf(first)).toThrow(/m-00003-of-00003\.gguf: the file is truncated/);
  });
});
