import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { AbortListeners, untilAborted } from "./abort-listeners.js";

describe("AbortListeners", () => {
  it("hangs one listener on a signal, calls all who wait, and leaves nothing behind", () => {
    const listeners = new AbortListeners();
    const abort = new AbortController();
    const called: number[] = [];
    const undo = Array.from({ length: 20 }, (_, i) => listeners.add(abort.signal, () => called.push(i)));
    expect(getEventListeners(abort.signal, "abort")).toHaveLength(1);
    undo[3]?.();
    abort.abort();
    expect(called).toEqual(Array.from({ length: 20 }, (_, i) => i).filter((i) => i !== 3));
    undo.forEach((one) => one());

    const other = new AbortController();
    const gone = [1, 2].map(() => listeners.add(other.signal, () => called.push(-1)));
    gone.forEach((one) => one());
    expect(getEventListeners(other.signal, "abort")).toHaveLength(0);
    listeners.add(other.signal, () => called.push(99));
    expect(getEventListeners(other.signal, "abort")).toHaveLength(1);
    other.abort();
    expect(called.at(-1)).toBe(99);
  });
});

describe("untilAborted", () => {
  it("ends at once when the signal fires, and else as the work does", async () => {
    const abort = new AbortController();
    const never = untilAborted(new Promise(() => undefined), abort.signal);
    abort.abort(new Error("enough"));
    await expect(never).rejects.toThrow("enough");
    await expect(untilAborted(Promise.resolve(1), AbortSignal.abort(new Error("late")))).rejects.toThrow(
      "late",
    );
    const quiet = new AbortController();
    expect(await untilAborted(Promise.resolve(3), quiet.signal)).toBe(3);
    await expect(untilAborted(Promise.reject(new Error("own")), quiet.signal)).rejects.toThrow("own");
    expect(getEventListeners(quiet.signal, "abort")).toHaveLength(0);
  });
});
