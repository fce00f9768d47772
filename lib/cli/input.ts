/** What a command works on: its arguments, a file, or standard input. */
import { IBertError } from "../errors.js";
import { decodeText } from "../formats/text.js";
import type { Terminal } from "./main.js";

/** Standard input to its end. @throws IBertError `text-encoding` */
export async function readStandardInput({ stdin }: Pick<Terminal, "stdin">): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array | string));
  return decodeText(Buffer.concat(chunks), "standard input");
}

/**
 * The words given, or else standard input without the line break that ends it.
 * @throws IBertError `text-missing` when neither is there
 */
export async function textOrInput(words: readonly string[], terminal: Terminal): Promise<string> {
  if (words.length > 0 && !(words.length === 1 && words[0] === "-")) return words.join(" ");
  if (terminal.stdin.isTTY === true && words.length === 0) {
    throw new IBertError("text-missing", "there is no text to work on", {
      hint: 'Give it as an argument, or pipe it in: echo "..." | npx ibert ...',
    });
  }
  return (await readStandardInput(terminal)).replace(/\r?\n$/, "");
}
