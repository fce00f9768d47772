/** Buffers above 4 GiB, of which a few pages are touched: ops on what lies beyond 2^32 bytes. */
import { describe, expect, it } from "vitest";

import { Device } from "./device.js";

/** As the embedding of Devstral in float32, and twice as wide: 5.4 GB. */
const [ROWS, COLUMNS] = [131_072, 10_240];
const LAST = ROWS - 1;

describe.each(["cpu", "reference"])("a buffer of 5 GB on %s", (backend) => {
  it("is written, read and computed on beyond 2^32 bytes", async () => {
    await using device = Device.open(backend);
    const table = device.empty([ROWS, COLUMNS], "f32");
    const rowOf = (row: number) => table.view([1, COLUMNS], row * COLUMNS);
    const values = Float32Array.from({ length: COLUMNS }, (_, i) => i + 1);
    // If offsets wrapped at 2^32 bytes, the last row would lie on these.
    const wrapped = Math.floor((LAST * COLUMNS * 4 - 2 ** 32) / (COLUMNS * 4));
    device.fill(table.view([2, COLUMNS], wrapped * COLUMNS), 0);
    device.write(rowOf(LAST), values);
    expect(await device.readFloats(rowOf(LAST))).toEqual(values);
    const ids = device.from(Int32Array.of(LAST, wrapped, LAST), [3], "i32");
    const y = device.empty([3, COLUMNS], "f32");
    for (const op of [
      () => device.ops.embedding({ ids, table, y }),
      () => device.ops.gatherRows({ source: table, rows: ids, target: y }),
    ]) {
      device.fill(y, 255);
      op();
      const found = (await device.readFloats(y)) as Float32Array;
      expect(found.subarray(0, COLUMNS)).toEqual(values);
      expect(found.subarray(COLUMNS, 2 * COLUMNS).every((value) => value === 0)).toBe(true);
      expect(found.subarray(2 * COLUMNS)).toEqual(values);
    }
    // In place, in a view that begins beyond 2^32 bytes: silu(g) u of [g | u].
    const halves = values.length / 2;
    const gated = device.empty([1, halves], "f32");
    device.ops.swigluForward({ gateUp: rowOf(LAST), y: gated });
    device.ops.swigluBackward({ dy: gated, gateUp: rowOf(LAST), dGateUp: rowOf(LAST) });
    const [forward, back] = [await device.readFloats(gated), await device.readFloats(rowOf(LAST))];
    const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
    expect(forward[2]).toBeCloseTo(3 * sigmoid(3) * (halves + 3), 1);
    expect((back[halves + 2] as number) / ((forward[2] as number) * 3 * sigmoid(3))).toBeCloseTo(1, 5);
  });
});
