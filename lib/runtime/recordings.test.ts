import { expect, it } from "vitest";

import type { Recording } from "./device.js";
import { Recordings } from "./recordings.js";

/** A device that notes what is recorded and freed. */
function notingDevice() {
  const recorded: Recording[] = [];
  const freed: Recording[] = [];
  const device = {
    record(body: () => void): Recording {
      body();
      const recording = { native: { number: recorded.length } } as unknown as Recording;
      recorded.push(recording);
      return recording;
    },
    freeRecording: (recording: Recording): void => void freed.push(recording),
  };
  return { device, recorded, freed };
}

const nothing = (): void => undefined;
const none = (): [] => [];

it("records a name once, and drops what was not used for longest", () => {
  const { device, recorded, freed } = notingDevice();
  const recordings = new Recordings(device, 3);
  const use = (name: string) => recordings.repeat(name, none, nothing).recording;
  const [a, b] = [use("a"), use("b"), use("c")];
  expect(use("a")).toBe(a);
  use("d");
  expect(freed).toEqual([b]);
  expect(use("a")).toBe(a);
  expect(use("b")).not.toBe(b);
  expect(recorded).toHaveLength(5);
  expect(freed.map((recording) => recorded.indexOf(recording))).toEqual([1, 2]);
});

it("frees every recording exactly once", () => {
  const { device, recorded, freed } = notingDevice();
  const recordings = new Recordings(device, 2);
  for (const name of ["a", "b", "c", "a", "d", "d"]) recordings.repeat(name, none, nothing);
  recordings.dispose();
  recordings.dispose();
  expect(recorded).toHaveLength(5);
  expect(new Set(freed)).toEqual(new Set(recorded));
  expect(freed).toHaveLength(recorded.length);
});

it("keeps nothing of what could not be recorded, and loses nothing by it", () => {
  const { device, freed } = notingDevice();
  const recordings = new Recordings(device, 1);
  const { recording } = recordings.repeat("a", none, nothing);
  const fail = (): never => {
    throw new Error("no such op");
  };
  expect(() => recordings.repeat("b", none, fail)).toThrow("no such op");
  expect(recordings.repeat("a", none, nothing).recording).toBe(recording);
  expect(freed).toEqual([]);
});
