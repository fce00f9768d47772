import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { readTrainingConfig } from "./config-file.js";

const base = "base: smollm2-135m\noutput: out\ncorpus: corpus\nsteps: 3\n";

function file(text: string | Uint8Array): string {
  const path = join(temporaryFolder(), "config.yaml");
  writeFileSync(path, text);
  return path;
}

const read = (text: string | Uint8Array, ...settings: string[]) => readTrainingConfig(file(text), settings);

const refusal = (text: string | Uint8Array, ...settings: string[]): unknown => {
  try {
    return read(text, ...settings);
  } catch (error) {
    return error;
  }
};

describe("a configuration file", () => {
  it.each([
    ["as it is", base],
    ["over a byte order mark", `\ufeff${base}`],
    ["with Windows's ends of lines", base.replaceAll("\n", "\r\n")],
    ["with comments and an end", `# a run\n---\n${base}...\n`],
    ["with anchors", `${base.replace("out\n", "&name out\n")}backend: cpu\n`],
  ])("is read %s", (_, text) => {
    expect(read(text)).toMatchObject({ output: "out", steps: 3 });
  });

  it("takes numbers as YAML 1.2 writes them, and merges mappings", () => {
    const config = read(
      `${base}optimizer: &o { learningRate: 2e-5, eps: 1.5E-8, warmupSteps: 0x10 }\ndata: { taskWeights: { qa: .5 } }\n`,
    );
    expect(config.optimizer).toMatchObject({ learningRate: 2e-5, eps: 1.5e-8, warmupSteps: 16 });
    expect(config.data.taskWeights.qa).toBe(0.5);
    const merged = read(`${base}checkpoint: &e { everySteps: 7 }\nevaluation: { <<: *e, split: valid }\n`);
    expect(merged.evaluation).toMatchObject({ everySteps: 7, split: "valid" });
  });

  it.each<[string, string | Uint8Array, RegExp]>([
    ["an unknown key", `${base}learning_rate: 1\n`, /config\.yaml: \(top\): .*learning_rate.*\(line 5\)/],
    ["LoRA dropout", `${base}lora: { dropout: 0.1 }\n`, /lora: Unrecognized key: "dropout" \(line 5\)/],
    ["a broken pattern", `${base}lora: { rankPattern: { "(q": 4 } }\n`, /lora\.rankPattern\.\(q: .*"\(q"/],
    ["rank 0", `${base}lora: { rank: 0 }\n`, /config\.yaml: lora\.rank: .*\(line 5\)/],
    [
      "an unknown task",
      `${base}data:\n  taskWeights:\n    poetry: 1\n`,
      /data\.taskWeights: .*poetry.*\(line 7\)/,
    ],
    ["a key that stands twice", `${base}steps: 4\n`, /config\.yaml:5: column 1: the key stands twice/],
    ["a second document", `${base}---\n${base}`, /config\.yaml:5: column 1: a second document begins/],
    ["a tab", `${base}lora:\n\trank: 4\n`, /config\.yaml:6: column 1: a tab/],
    ["an open bracket", "base: [", /config\.yaml:1: column 8: /],
    ["an unknown tag", `${base}seed: !python/int 3\n`, /config\.yaml:5: column 7: Unresolved tag/],
    ["an alias of nothing", `${base}seed: *s\n`, /config\.yaml: Unresolved alias .*: s/],
    ["an empty mapping", `${base}lora:\n`, /config\.yaml: lora: it is empty; .*\(line 5\)/],
    ["an empty value", `${base}lora:\n  rank:\n`, /config\.yaml: lora\.rank: it is empty; .*\(line 6\)/],
    [
      "a number in quotes",
      `${base}optimizer: { learningRate: "1e-4" }\n`,
      /learningRate: .*number, received string/,
    ],
    ["infinity", `${base}optimizer: { learningRate: .inf }\n`, /optimizer\.learningRate: .*\(line 5\)/],
    ["not a number", `${base}optimizer: { learningRate: .nan }\n`, /optimizer\.learningRate: .*NaN/],
    ["a number that may be octal", `${base}lora:\n  rank: 010\n`, /config\.yaml:6: column 9: 010: .*0o17/],
    ["a word for a number", `${base}seed: yes\n`, /seed: .*received string/],
    ["a list for the whole", "- base\n", /config\.yaml: the file holds no keys/],
    ["nothing", "\ufeff# nothing\n", /config\.yaml: the file is empty/],
    ["a prototype", `${base}__proto__: { seed: 4 }\n`, /Unrecognized key.*__proto__/],
    [
      "aliases without end",
      `a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [${"*a,".repeat(20)}]\nc: &c [${"*b,".repeat(20)}]\nd: [${"*c,".repeat(20)}]\n`,
      /config\.yaml: .*alias/,
    ],
  ])("is refused for %s, with its place", (_, text, message) => {
    const error = refusal(text);
    expect(error).toMatchObject({ name: "IBertError", code: "config-invalid" });
    expect((error as Error).message).toMatch(message);
  });

  it("is refused when it is no UTF-8, a folder, or not there", () => {
    expect(refusal(Buffer.from(base, "utf16le"))).toMatchObject({ code: "text-encoding" });
    expect(refusal(Buffer.from(`${base}# caf\u00e9`, "latin1"))).toMatchObject({ code: "text-encoding" });
    const folder = temporaryFolder();
    mkdirSync(join(folder, "sub"));
    expect(() => readTrainingConfig(join(folder, "sub"))).toThrow(
      expect.objectContaining({ code: "not-a-file" }),
    );
    expect(() => readTrainingConfig(join(folder, "none"))).toThrow(
      expect.objectContaining({ code: "config-missing" }),
    );
  });
});

describe("settings", () => {
  it("go over the file, by dotted keys", () => {
    const config = read(
      `${base}lora: { rank: 4 }\n`,
      "optimizer.learningRate=1e-4",
      "lora.targets=[q_proj]",
      "lora.rank = 8",
      "seed=1",
      "seed=2",
    );
    expect(config.optimizer.learningRate).toBe(1e-4);
    expect(config.lora).toMatchObject({ rank: 8, targets: ["q_proj"] });
    expect(config).toMatchObject({ steps: 3, seed: 2 });
    expect(read(base, "output=a=b").output).toBe("a=b");
  });

  it.each([
    ["without a value", "steps", /--set steps: expected key=value/],
    ["without a key", "=1", /--set =1: expected key=value/],
    ["with an empty part", "lora..rank=1", /--set lora\.\.rank=1: a part of the key lora\.\.rank is empty/],
    ["that end in a dot", "lora.=1", /a part of the key lora\. is empty/],
    ["below an empty mapping", "lora.rank=8", /--set lora\.rank=8: lora is empty/],
    ["below a number", "steps.x=1", /--set steps\.x=1: steps is 3 and holds no keys/],
    ["below a text", "base.x.y=1", /base is "smollm2-135m" and holds no keys/],
    ["into a list", "data.list.0=1", /data\.list is a list/],
    ["whose value is no YAML", "lora.targets=[q_proj", /--set lora\.targets=\[q_proj: the value is no YAML/],
    ["whose value is an alias", "output=*x", /--set output=\*x: the value is no YAML: Unresolved alias/],
  ])("are refused %s", (_, setting, message) => {
    const error = refusal(`${base}lora:\ndata: { list: [] }\n`, setting);
    expect(error).toMatchObject({ name: "IBertError", code: "setting-invalid" });
    expect((error as Error).message).toMatch(message);
  });

  it.each([
    ["unknown keys", "lora.alpha_=1", /lora: .*alpha_.*\(--set\)/],
    ["wrong values", "lora.rank=many", /lora\.rank: .*\(--set\)/],
    ["empty values", "lora.rank=", /lora\.rank: it is empty.*\(--set\)/],
    ["a prototype", "__proto__.seed=4", /__proto__/],
    ["a prototype below", "lora.__proto__.rank=4", /__proto__/],
    ["a constructor", "constructor.prototype.x=4", /constructor/],
  ])("are refused by key for %s", (_, setting, message) => {
    const error = refusal(base, setting);
    expect(error).toMatchObject({ code: "config-invalid" });
    expect((error as Error).message).toMatch(message);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });
});
