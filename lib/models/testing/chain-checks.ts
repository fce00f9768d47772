/** What a chain model must answer, or how it must be refused. */
import { expect } from "vitest";

import { temporaryFolder } from "../../formats/testing/temporary.js";
import { InferenceEngine } from "../../generation/engine.js";
import { generate } from "../../generation/generate.js";
import { ModelSession } from "../session.js";
import { writeChainModel, type ChainModel } from "./chain-model.js";

/** What the model says after `x`, special tokens in it. */
export async function answer(base: string): Promise<string> {
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

export interface Refusal {
  code: string;
  /** All stand in the message. */
  names: string[];
}

export async function check(model: ChainModel, expected: string | Refusal): Promise<void> {
  const folder = temporaryFolder();
  await writeChainModel(folder, model);
  if (typeof expected === "string") {
    expect(await answer(folder)).toBe(expected);
    return;
  }
  await refuses(folder, expected);
}

export async function refuses(base: string, expected: Refusal): Promise<void> {
  const error = await answer(base).then(
    (text) => expect.unreachable(`it answered ${JSON.stringify(text)}`),
    (error: unknown) => error as Error & { code: string },
  );
  expect([error.code, error.message]).toEqual([expected.code, expect.any(String)]);
  for (const name of expected.names) expect(error.message).toContain(name);
}
