import { describe, expect, it } from "vitest";

import type { GenerateResult } from "../ibert-options.js";
import { errorOf, ibert } from "./testing/run-program.js";

const TABLE = ["--table", "orders(region string, amount float64)"];

describe("ibert complete", () => {
  it("answers a pipe: the answer on standard output, its verdict on standard error", async () => {
    const words = ["complete", "--no-adapter", ...TABLE, "--whole", "--repairs", "0", "--max-tokens", "4"];
    const { code, stdout, stderr } = await ibert(words, "orders.limit(\n");
    expect([0, 1]).toContain(code);
    expect(stdout).toMatch(/^orders\.limit\(.*\n$/);
    expect(stderr).toMatch(code === 0 ? /^compile: passed/ : /^(parse|names|build|compile): \w+/);
  });

  it("prints text, verdict, attempts and tokens as JSON; the exit code is the verdict's", async () => {
    const words = ["complete", "--no-adapter", ...TABLE, "--repairs", "0", "--max-tokens", "1", "--json"];
    const { code, stdout } = await ibert(words, "orders.limit(1, ");
    const result = JSON.parse(stdout) as GenerateResult;
    expect(code).toBe(result.verdict?.ok === true ? 0 : 1);
    expect(result).toMatchObject({
      text: expect.any(String),
      attempts: 1,
      tokens: { prompt: expect.any(Number), completion: 1 },
      verdict: { stage: expect.any(String), ok: expect.any(Boolean) },
    });
  });

  it("checks nothing when told so", async () => {
    const words = ["ask", "--no-adapter", "--no-validate", "--max-tokens", "2", "--json", "What is a table?"];
    const { code, stdout } = await ibert(words);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).not.toHaveProperty("verdict");
  });
});

describe("what cannot be answered", () => {
  it("is a prompt longer than the context", async () => {
    const ended = await ibert(["complete", "--no-adapter", "--json"], "orders.limit(1).".repeat(2000));
    expect(ended.code).toBe(2);
    expect(errorOf(ended)).toMatchObject({
      code: "prompt-too-long",
      message: expect.stringMatching(/has \d+ tokens, the model's context is 8192/),
    });
  });

  it("is an empty prompt", async () => {
    const ended = await ibert(["complete", "--no-adapter", "--json"], "\n");
    expect(ended.code).toBe(2);
    expect(errorOf(ended).code).toBe("prompt-empty");
  });

  it("is any on a backend that is not there: no other one steps in", async () => {
    const ended = await ibert(["ask", "--no-adapter", "--backend", "cuda", "--json", "What is a table?"]);
    expect(ended.code).toBe(2);
    expect(errorOf(ended)).toMatchObject({
      code: "backend-unavailable",
      message: expect.stringContaining("cuda"),
      hint: expect.stringContaining("ibert doctor"),
    });
  });

  it("is any of an adapter that is not there", async () => {
    const ended = await ibert(["ask", "--adapter", "no-such-adapter", "What is a table?"]);
    expect(ended).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("no-such-adapter") });
  });
});
