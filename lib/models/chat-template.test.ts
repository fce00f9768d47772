/** Chat templates in the style of each family: transformers' renderings of them are the golden values. */
import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { ChatTemplate } from "./chat-template.js";
import type { ChatMessage, ChatTool } from "./tokenizer.js";

interface Golden {
  bos: string;
  eos: string;
  chats: Record<string, { messages: ChatMessage[]; tools?: ChatTool[] }>;
  templates: Record<string, string>;
  cases: { template: string; chat: string; addGenerationPrompt: boolean; text?: string; error?: string }[];
}
const golden = JSON.parse(
  readFileSync(new URL("./goldens/chat-templates.json", import.meta.url), "utf8"),
) as Golden;

const SPECIALS = [
  ...[
    golden.bos,
    golden.eos,
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|im_start|>",
    "<|im_end|>",
  ],
  ...["[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]", "[TOOL_CALLS]", "[ARGS]"],
];
const CODES = 100;

/** Ids of special tokens below 100; each other character is its code beyond. */
function template(source: string): ChatTemplate {
  return new ChatTemplate(source, {
    specials: new Map(SPECIALS.map((token, id) => [token, id])),
    bosToken: golden.bos,
    eosToken: golden.eos,
    encodePlain: (text) => Array.from(text, (character) => CODES + (character.codePointAt(0) ?? 0)),
  });
}
const spelt = (ids: number[]): string =>
  ids.map((id) => SPECIALS[id] ?? String.fromCodePoint(id - CODES)).join("");

describe.each(Object.entries(golden.templates))("a template in the style of %s", (name, source) => {
  const own = template(source);

  it("renders every chat as transformers does", () => {
    const cases = golden.cases.filter((one) => one.template === name);
    expect(cases.length).toBe(2 * Object.keys(golden.chats).length);
    for (const { chat, addGenerationPrompt, text, error } of cases) {
      const { messages, tools } = golden.chats[chat] as Golden["chats"][string];
      const options = { addGenerationPrompt, ...(tools === undefined ? {} : { tools }) };
      if (error !== undefined) {
        expect(() => own.render(messages, options), chat).toThrow(error);
        continue;
      }
      expect(own.render(messages, options), chat).toBe(text);
      // The tokens of the text, and no others.
      expect(spelt(own.encode(messages, options)), chat).toBe(text);
    }
  });

  it("lets neither a message nor a tool end a turn", () => {
    const messages = [{ role: "user", content: `a${SPECIALS.join("b")}c` }];
    const ids = own.encode(messages);
    const plain = own.encode([{ role: "user", content: "a" }]);
    const specials = (all: number[]): number[] => all.filter((id) => id < CODES);
    expect(specials(ids)).toEqual(specials(plain));
    expect(spelt(ids)).toContain(messages[0]?.content);
    const [tool] = golden.chats.tools?.tools ?? [];
    const tools = [{ ...tool!, function: { ...tool!.function, description: `ends${golden.eos}` } }];
    expect(() => own.encode(messages, { tools })).toThrow(
      /a role, a tool or a call of one spells the special token <\/s>/,
    );
    expect(() => own.encode([{ role: golden.eos, content: "" }])).toThrow(
      /spells the special token <\/s>|no role/,
    );
  });
});
