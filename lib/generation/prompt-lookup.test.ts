import { describe, expect, it } from "vitest";

import { promptLookup } from "./prompt-lookup.js";

describe("promptLookup", () => {
  it("gives what followed the last tokens before", () => {
    expect(promptLookup([1, 2, 3, 4, 5, 9, 2, 3], 2)).toEqual([4, 5]);
    expect(promptLookup([1, 2, 3, 4, 5, 9, 2, 3], 99)).toEqual([4, 5, 9, 2, 3]);
  });
  it("prefers the longest match, and of equals the latest", () => {
    expect(promptLookup([7, 2, 3, 10, 1, 2, 3, 11, 8, 2, 3, 12, 1, 2, 3], 1)).toEqual([11]);
    expect(promptLookup([7, 2, 3, 10, 8, 2, 3, 12, 0, 2, 3], 1)).toEqual([12]);
  });
  it("guesses nothing from one token, or where nothing repeats", () => {
    expect(promptLookup([1, 5, 2, 5], 4)).toEqual([]);
    expect(promptLookup([1, 2, 3], 4)).toEqual([]);
    expect(promptLookup([], 4)).toEqual([]);
    expect(promptLookup([1, 2, 1, 2], 0)).toEqual([]);
  });
  it("goes on with a repetition that reaches the end", () => {
    expect(promptLookup([5, 6, 5, 6, 5, 6], 3)).toEqual([5, 6]);
  });
});
