/** The compiled programs as processes: pipes, signals, exit codes. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { beforeAll, describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { packageRoot } from "../runtime/cache.js";
import { COMPILED, compiledPrograms } from "./testing/compiled.js";
import { writeTinyCorpus } from "./testing/tiny-corpus.js";

const root = packageRoot();

beforeAll(compiledPrograms, 300_000);

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program; `onOutput` sees what has come so far. */
function run(
  program: string,
  words: string[],
  options: { input?: string; onOutput?: (text: string, pid: number) => void } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // As the shell starts it: by its first line.
    const child = spawn(program, words, { cwd: root });
    const ended: Ended = { code: null, stdout: "", stderr: "" };
    const collect = (name: "stdout" | "stderr") => (chunk: Buffer) => {
      ended[name] += chunk.toString();
      if (child.pid !== undefined) options.onOutput?.(ended[name], child.pid);
    };
    child.stdout.on("data", collect("stdout"));
    child.stderr.on("data", collect("stderr"));
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...ended, code }));
    child.stdin.end(options.input ?? "");
  });
}

describe("ibert", () => {
  it("reads a pipe and ends with the verdict's code", async () => {
    const words = ["validate", "--table", "orders(region string)"];
    expect(await run(COMPILED.ibert, words, { input: "orders.region.upper()\n" })).toMatchObject({
      code: 0,
      stdout: "compile: passed\n",
    });
    expect(await run(COMPILED.ibert, words, { input: "orders.region.uper()\n" })).toMatchObject({ code: 1 });
  });

  it("ends quietly when its reader goes away", () => {
    const pipe = `"${COMPILED.ibert}" model inspect smollm2-135m --tensors | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const output = execFileSync("bash", ["-c", pipe], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
    expect(output).toMatch(/^base +smollm2-135m\n0\n$/);
  });

  it("shows where an unforeseen error came from only with IBERT_DEBUG=1", async () => {
    const words = ["adapter", "inspect", "no-such-folder"];
    expect((await run(COMPILED.ibert, words)).stderr).not.toContain("    at ");
    const debug = `IBERT_DEBUG=1 "${COMPILED.ibert}" ${words.join(" ")} 2>&1 || true`;
    expect(execFileSync("bash", ["-c", debug], { cwd: root, encoding: "utf8" })).toContain("    at ");
  });
});

describe("ibert-train", () => {
  const flags = (folder: string, name: string): string[] => {
    const config = join(folder, `${name}.yaml`);
    const lines = [
      "base: smollm2-135m",
      `corpus: ${join(folder, "corpus")}`,
      `output: ${join(folder, name)}`,
      "steps: 12",
      "lora: { rank: 4, alpha: 8 }",
      "data: { tokensPerBatch: 64, taskWeights: { error_resolution: 0, qa: 0, function_documentation: 0 } }",
      "evaluation: { rowsPerTask: 0 }",
    ];
    writeFileSync(config, `${lines.join("\n")}\n`);
    return ["--config", config, "--json"];
  };
  const weights = (folder: string, name: string): Buffer =>
    readFileSync(join(folder, name, "adapter_model.safetensors"));

  it("writes a checkpoint when interrupted, and resumes to the bits of an unbroken run", async () => {
    const folder = temporaryFolder();
    writeTinyCorpus(join(folder, "corpus"));
    let sent = false;
    const broken = await run(COMPILED.train, flags(folder, "broken"), {
      onOutput: (text, pid) => {
        if (sent || !text.includes('"step":3')) return;
        sent = true;
        process.kill(pid, "SIGINT");
      },
    });
    expect(broken.code).toBe(130);
    expect(broken.stderr).toMatch(/go on with:\n {2}npx ibert-train --config .* --resume /);
    const last = JSON.parse(broken.stdout.trim().split("\n").at(-1) as string) as {
      event: string;
      checkpoint: string;
    };
    expect(last.event).toBe("interrupted");
    expect(existsSync(join(folder, "broken"))).toBe(false);
    expect((await run(COMPILED.train, [...flags(folder, "broken"), "--resume", last.checkpoint])).code).toBe(
      0,
    );
    expect((await run(COMPILED.train, flags(folder, "unbroken"))).code).toBe(0);
    expect(weights(folder, "broken").equals(weights(folder, "unbroken"))).toBe(true);
  });
});
