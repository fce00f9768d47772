import { expect, it } from "vitest";

import { curriculumShare } from "./schedule.js";

it("a curriculum begins with a fifth of the rows and has all of them from half of the run on", () => {
  expect(curriculumShare(0, 100)).toBeCloseTo(0.2);
  expect(curriculumShare(25, 100)).toBeCloseTo(Math.sqrt(0.52));
  expect([50, 99].map((step) => curriculumShare(step, 100))).toEqual([1, 1]);
});
