/** Programs inside the test's own process, on streams that it reads. */
import { Readable, Writable } from "node:stream";

import { setUpIbert } from "../ibert-commands.js";
import { runProgram, type Setup } from "../main.js";
import { setUpTraining } from "../train-command.js";

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

async function runIn(name: string, setup: Setup, argv: readonly string[], input: string): Promise<Ended> {
  const texts = ["", ""];
  const streams = texts.map(
    (_, i) =>
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          texts[i] += chunk.toString();
          done();
        },
      }),
  );
  const [stdout, stderr] = streams as [Writable, Writable];
  const code = await runProgram(name, setup, argv, { stdin: Readable.from([input]), stdout, stderr });
  return { code, stdout: texts[0] as string, stderr: texts[1] as string };
}

export const ibert = (argv: readonly string[], input = ""): Promise<Ended> =>
  runIn("ibert", setUpIbert, argv, input);

export const ibertTrain = (argv: readonly string[]): Promise<Ended> =>
  runIn("ibert-train", setUpTraining, argv, "");

/** What `--json` prints of an error. */
export function errorOf({ stdout }: Ended): { code: string; message: string; hint?: string } {
  return (JSON.parse(stdout) as { error: { code: string; message: string; hint?: string } }).error;
}
