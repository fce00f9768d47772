import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import type { BasePlan } from "../training/base-plan.js";
import { Device } from "../runtime/device.js";
import { errorOf, ibert } from "./testing/run-program.js";

const plan = (...words: string[]) =>
  ibert(["model", "plan", "--base", "devstral-small-2505", "--backend", "cpu", ...words]);

async function planned(...words: string[]): Promise<BasePlan> {
  const { code, stdout } = await plan("--json", ...words);
  expect(code).toBe(0);
  return JSON.parse(stdout) as BasePlan;
}

describe("ibert model plan", () => {
  it("prints what training and serving take, and proposes what fits", async () => {
    const { code, stdout } = await plan("--memory", "24GB");
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^base +devstral-small-2505, 23,572,403,200 parameters\ndevice +cpu .*, 24\.0 GB may/,
    );
    expect(stdout).toMatch(/^bf16 +layer +47\.1 GB +314\.6 MB +314\.6 MB +\d.* no$/m);
    expect(stdout).toMatch(/^q4_0 +layer +13\.\d GB .* yes$/m);
    expect(stdout).toMatch(/^bf16 +47\.1 GB +157\.3 MB +713\.0 MB .* no$/m);
    expect(stdout).toMatch(
      /^train with {2}a base in \w+, --set model\.recompute=\w+ --set data\.tokensPerBatch=\d+ --set data\.gradientAccumulation=\d+: \d+\.\d GB\nserve with {2}a base in \w+: \d+\.\d GB$/m,
    );
  });

  it("proposes for common sizes, and no speed of a device whose peaks are not known", async () => {
    const { precisions, sizes, limits } = await planned("--memory", "100GB");
    expect(limits).toBeUndefined();
    expect(sizes.map(({ gigabytes }) => gigabytes)).toEqual([16, 24, 48, 80]);
    for (const { memory, training, serving } of sizes) {
      expect(training?.total ?? 0).toBeLessThanOrEqual(memory);
      expect(serving?.total ?? 0).toBeLessThanOrEqual(memory);
    }
    const [small, , , large] = sizes;
    expect(small?.serving?.precision).toMatch(/^q4_/);
    expect(large?.training?.precision).toBe("bf16");
    expect(large?.training?.total).toBeGreaterThanOrEqual(
      precisions[0]?.training.at(-1)?.weights ?? Infinity,
    );
  });

  it("gives the speeds that a known card allows", async () => {
    const words = [
      "model",
      "plan",
      "--base",
      "smollm2-135m",
      "--backend",
      "cuda-emulated",
      "--device",
      "sm_90",
    ];
    const { code, stdout } = await ibert(words);
    expect(code).toBe(0);
    const [, training, one, all] =
      /speed, at most, in tokens\/s: training ([\d,]+), decoding one text ([\d,]+), 8 texts ([\d,]+)/.exec(
        stdout,
      ) ?? [];
    const number = (text = ""): number => Number(text.replaceAll(",", ""));
    // 134.5 million parameters in bf16 from 3.35 TB/s; four operations for each at 989.4 TFLOP/s.
    expect(number(one)).toBeGreaterThan(11_000);
    expect(number(one)).toBeLessThan(3.35e12 / (2 * 134.5e6));
    expect(number(all)).toBeGreaterThan(7.9 * number(one));
    expect(number(training)).toBeLessThan(989.4e12 / (4 * 134.5e6));
    expect(number(training)).toBeGreaterThan(989.4e12 / (7 * 134.5e6));
  });

  it("takes rank, tokens, context and the cache's type, and prints JSON", async () => {
    const planned = async (...words: string[]) => {
      const { code, stdout } = await plan("--memory", "100GiB", "--json", ...words);
      expect(code).toBe(0);
      const found = JSON.parse(stdout) as BasePlan;
      const [bf16] = found.precisions;
      if (bf16 === undefined) throw new Error("no precision");
      return { found, training: bf16.training[0]!, serving: bf16.serving };
    };
    const usual = await planned();
    expect(usual.found).toMatchObject({
      base: "devstral-small-2505",
      memory: 100 * 2 ** 30,
      positions: 4096,
    });
    const other = await planned(
      "--rank",
      "64",
      "--tokens",
      "1024",
      "--context",
      "8192",
      "--kv-cache",
      "q8_0",
    );
    expect(other.training.adapter).toBe(2 * usual.training.adapter);
    expect(other.training.activations).toBeLessThan(0.6 * usual.training.activations);
    const blocks = (positions: number) => positions / 32 + 8;
    const share = ((blocks(8192) / blocks(4096)) * 34) / 64;
    expect(other.serving.cache).toBe(share * usual.serving.cache);
  });

  it("refuses what cannot fit, and what it then names fits", async () => {
    const refusal = await plan("--memory", "8GB", "--json");
    expect(refusal.code).toBe(2);
    const { code, message, hint } = errorOf(refusal);
    expect(code).toBe("memory");
    expect(message).toMatch(
      /^devstral-small-2505 does not fit into 8\.00 GB of cpu \(.*\): training takes at least .* GB, and serving takes/,
    );
    const sizes = [...(hint ?? "").matchAll(/--memory (\S+GB)/g)].map(([, size]) => size as string);
    expect(sizes).toHaveLength(2);
    const largest = sizes.sort((a, b) => parseFloat(b) - parseFloat(a))[0]!;
    expect((await plan("--memory", largest, "--json")).code).toBe(0);
  });

  it("plans for what is available of a device that is named, and refuses one that is not known", async () => {
    const { architecture } = Device.open("cpu", { planned: true }).info;
    const words = ["model", "plan", "--base", "smollm2-135m", "--backend", "cpu", "--json", "--device"];
    const { code, stdout } = await ibert([...words, architecture]);
    expect(code).toBe(0);
    const { device, memory } = JSON.parse(stdout) as BasePlan;
    expect(device).toMatchObject({ backend: "cpu", architecture });
    expect(memory).toBeGreaterThan(0);
    expect(errorOf(await ibert([...words, "sm_90"]))).toMatchObject({ code: "backend-unavailable" });
  });

  it("reads the configuration of a folder, and fetches nothing", async () => {
    const folder = fileURLToPath(new URL("../models/goldens/tiny-llama", import.meta.url));
    const { code, stdout } = await ibert(["model", "plan", "--base", folder, "--backend", "cpu", "--json"]);
    expect({ code, plan: JSON.parse(stdout) as unknown }).toMatchObject({ code: 0, plan: { base: folder } });
    const refusal = errorOf(await ibert(["model", "plan", "--base", "hf:owner/name", "--json"]));
    expect(refusal).toMatchObject({ code: "option-invalid", hint: expect.stringContaining("preset") });
  });

  it.each(["24", "0GB", "GB", "24 parsecs", "-1GB"])("refuses the size %j", async (size) => {
    const refusal = await plan("--memory", size, "--json");
    expect(refusal.code).toBe(2);
    expect(errorOf(refusal)).toMatchObject({ code: "usage", message: expect.stringContaining("24GB") });
  });
});
