/**
 * The line protocol of a sandbox's process, on stdin and stdout.
 *
 * The first line configures the program and is answered by `{"ready": true}` or `{"error": {code, message}}`. Each
 * further line `{id, method, params}` is answered by `{id, answer}`, where `answer` is the JSON text of `{result}` or
 * `{error: {code, message}}`.
 */
import { createInterface } from "node:readline";

const FATAL_EXIT = 70;

/** Why a program cannot start, with the code that its user sees. */
export class StartError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

function send(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

/**
 * Serves until stdin closes. `start(config)` gives the program: `(method, params) => answer`, where params and answer
 * are texts of JSON. What the program throws ends the process: it cannot be used again.
 */
export function serve(start) {
  const lines = createInterface({ input: process.stdin });
  let program;

  async function receive(line) {
    const message = JSON.parse(line);
    if (program === undefined) {
      try {
        program = await start(message);
        send({ ready: true });
      } catch (error) {
        send({
          error: {
            code: error.code ?? "sandbox-start",
            message: String(error.message ?? error).slice(-4000),
          },
        });
        process.exitCode = FATAL_EXIT;
        lines.close();
      }
      return;
    }
    let answer;
    try {
      answer = await program(message.method, JSON.stringify(message.params));
    } catch (error) {
      process.stderr.write(`${error?.name ?? "Error"}\n`);
      process.exit(FATAL_EXIT);
    }
    send({ id: message.id, answer });
  }

  let last = Promise.resolve();
  lines.on("line", (line) => {
    last = last.then(() => receive(line));
  });
  lines.on("close", () => {
    void last.then(() => process.exit());
  });
}
