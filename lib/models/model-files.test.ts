/** Model folders and GGUFs as people have them: what each answers, or by what name it is refused. */
import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { InferenceEngine } from "../generation/engine.js";
import { generate } from "../generation/generate.js";
import { ModelSession } from "./session.js";
import { FIRST_END, LAST_END, writeChainModel, type ChainModel } from "./testing/chain-model.js";

/** What the model says after `x`, special tokens in it. */
async function answer(base: string): Promise<string> {
  await using session = await ModelSession.open({ base, backend: "cpu", threads: 1 });
  const { tokenizer, stopIds } = session;
  const engine = new InferenceEngine(session, undefined, {
    activations: "f32",
    maxRows: 16,
    maxSequences: 1,
    maxPositions: 64,
  });
  const [completion] = await generate(engine, [tokenizer.encode("x")], {
    stopIds,
    maxTokens: 6,
    temperature: 0,
  });
  return tokenizer.decode(completion?.ids ?? []);
}

interface Refusal {
  code: string;
  /** All stand in the message. */
  names: string[];
}

async function check(model: ChainModel, expected: string | Refusal): Promise<void> {
  const folder = temporaryFolder();
  await writeChainModel(folder, model);
  if (typeof expected === "string") {
    expect(await answer(folder)).toBe(expected);
    return;
  }
  const error = await answer(folder).then(
    (text) => expect.unreachable(`it answered ${JSON.stringify(text)}`),
    (error: unknown) => error as Error & { code: string },
  );
  expect([error.code, error.message]).toEqual([expected.code, expect.any(String)]);
  for (const name of expected.names) expect(error.message).toContain(name);
}

const WHOLE = `ab</s>cd`;

describe("ends of text", () => {
  it.each<[string, ChainModel, string]>([
    ["a list in config.json", { config: { eos_token_id: [LAST_END, FIRST_END] } }, "ab"],
    ["one in config.json", { config: { eos_token_id: FIRST_END } }, "ab"],
    ["the tokenizer's alone", { config: { eos_token_id: LAST_END } }, WHOLE],
    ["none in config.json", { config: { eos_token_id: undefined } }, WHOLE],
    [
      "one under text_config",
      { config: { eos_token_id: null, text_config: { eos_token_id: FIRST_END } } },
      "ab",
    ],
    [
      "a list in generation_config.json",
      {
        config: { eos_token_id: LAST_END },
        files: { "generation_config.json": `{"eos_token_id": [${LAST_END}, ${FIRST_END}]}` },
      },
      "ab",
    ],
    [
      "odd values in generation_config.json",
      {
        config: { eos_token_id: LAST_END },
        files: { "generation_config.json": '{"eos_token_id": "none", "temperature": "hot"}' },
      },
      WHOLE,
    ],
    [
      "a damaged generation_config.json",
      { config: { eos_token_id: LAST_END }, files: { "generation_config.json": "{" } },
      WHOLE,
    ],
    [
      "one in special_tokens_map.json",
      {
        config: { eos_token_id: LAST_END },
        files: { "special_tokens_map.json": '{"eos_token": {"content": "</s>"}}' },
      },
      "ab",
    ],
    [
      "one in tokenizer_config.json",
      { config: { eos_token_id: LAST_END }, tokenizerConfig: { eos_token: "</s>" } },
      "ab",
    ],
  ])("%s", async (_, model, expected) => {
    await check(model, expected);
  });
});
