import type { IBertErrorCode } from "./error-codes.js";

/**
 * The one error class that ibert throws on purpose: what the user gave, or what the machine lacks, is at fault
 * and the message names it. `code` is stable for programs, `hint` says what would mend it.
 */
export class IBertError extends Error {
  readonly code: IBertErrorCode;
  readonly hint: string | undefined;

  constructor(code: IBertErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(
      options.hint === undefined ? message : `${message}\n  ${options.hint}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = "IBertError";
    this.code = code;
    this.hint = options.hint;
  }
}
