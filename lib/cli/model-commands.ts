/** `ibert model`. */
import type { Command } from "commander";

import { formatShape } from "../formats/dtypes.js";
import { stopIds } from "../models/ends.js";
import { resolveSource } from "../models/sources.js";
import { loadTokenizer } from "../models/load-tokenizer.js";
import { requireRows } from "../models/vocabulary.js";
import { openWeights } from "../models/weights.js";
import { formatBytes, formatCount, formatTable } from "./format.js";
import { withExample } from "./help.js";
import type { Run } from "./main.js";
import { addModelPlanCommand } from "./model-plan-command.js";
import { addModelPullCommand } from "./model-pull-command.js";

export function addModelCommands(program: Command, run: Run): void {
  const model = program.command("model").description("Base models.");
  const command = model
    .command("inspect")
    .description("Shape, weights and tokenizer of a base model; one of the hub must have been pulled.")
    .argument("<base>", "preset, hf:owner/name, folder or .gguf file")
    .option("--tensors", "list every tensor")
    .option("--json", "print everything")
    .action(async (base: string, options: { tensors?: boolean; json?: boolean }) => {
      const found = await inspect(base, run);
      if (options.json === true) return run.printJson(found);
      const { tensors, dtypes, config, ...facts } = found;
      run.print(
        formatTable(
          [
            ["base", facts.base],
            ["name", facts.baseModel],
            ["files", `${facts.path} (${facts.format})`],
            ["parameters", formatCount(facts.parameters)],
            ["bytes", formatBytes(facts.bytes)],
            ["types", dtypes.map(({ dtype, tensors }) => `${dtype} × ${tensors}`).join(", ")],
            [
              "tokenizer",
              `${formatCount(facts.tokenizer.vocabSize)} tokens, ends ${facts.stopIds.join(", ")}`,
            ],
            ...Object.entries(config).map(([key, value]) => [key, JSON.stringify(value)]),
          ],
          2,
        ),
      );
      for (const remark of facts.remarks) run.note(remark);
      if (options.tensors !== true) return;
      const rows = tensors.map(({ name, dtype, shape }) => [name, dtype, formatShape(shape)]);
      run.print(`\n${formatTable(rows, 3)}`);
    });
  withExample(command, "npx ibert model inspect smollm2-135m");
  addModelPullCommand(model, run);
  addModelPlanCommand(model, run);
}

async function inspect(base: string, run: Run) {
  const source = await resolveSource(base, { report: (message) => run.note(message) });
  const weights = openWeights(source);
  const tensors = weights.names.map((name) => {
    const { dtype, shape, byteLength } = weights.tensor(name);
    return { name, dtype, shape, bytes: byteLength };
  });
  const counts = new Map<string, number>();
  for (const { dtype } of tensors) counts.set(dtype, (counts.get(dtype) ?? 0) + 1);
  const tokenizer = loadTokenizer(source);
  requireRows(tokenizer, weights.config, source.path);
  const { vocabSize, bosId, eosId, addBos } = tokenizer;
  return {
    base,
    baseModel: source.baseModel,
    format: source.format,
    path: source.path,
    parameters: tensors.reduce(
      (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
      0,
    ),
    bytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    dtypes: [...counts].map(([dtype, tensors]) => ({ dtype, tensors })),
    config: weights.config,
    remarks: weights.remarks,
    tokenizer: { vocabSize, bosId, eosId, addBos },
    stopIds: stopIds(weights.config, tokenizer),
    tensors,
  };
}
