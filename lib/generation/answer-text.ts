import { DecodeStream } from "../models/decode-stream.js";
import type { Tokenizer } from "../models/tokenizer.js";

/**
 * The text of an answer as its tokens come. `text` only grows, never ends inside a character, and never holds a stop
 * text or the beginning of one that may still come. Takes time linear in the text.
 */
export class AnswerText {
  private readonly stream: DecodeStream;
  private readonly longest: number;
  private certain = "";
  /** The end of the text so far that begins a stop text. */
  private held = "";
  private stopped = false;

  constructor(
    tokenizer: Pick<Tokenizer, "decode">,
    private readonly stops: readonly string[],
  ) {
    this.stream = new DecodeStream(tokenizer);
    this.longest = Math.max(0, ...stops.map((stop) => stop.length));
  }

  /** What can be shown. */
  get text(): string {
    return this.certain;
  }

  /** Takes the next token. Returns whether the text has now come to a stop text. */
  push(id: number): boolean {
    if (this.stopped) return true;
    const open = this.held + this.stream.push(id);
    const ends = this.stops.map((stop) => open.indexOf(stop)).filter((at) => at >= 0);
    this.stopped = ends.length > 0;
    const shown = this.stopped ? Math.min(...ends) : open.length - this.beginning(open);
    this.certain += open.slice(0, shown);
    this.held = this.stopped ? "" : open.slice(shown);
    return this.stopped;
  }

  /** The whole answer when no token follows: up to the stop text, without a last character that lacks bytes. */
  end(): string {
    this.certain += this.held;
    this.held = "";
    return this.certain;
  }

  /** Characters at the end of a text that begin a stop text, without being one. */
  private beginning(text: string): number {
    let length = Math.min(this.longest - 1, text.length);
    const begins = (end: string): boolean => this.stops.some((stop) => stop.startsWith(end));
    while (length > 0 && !begins(text.slice(-length))) length--;
    return Math.max(0, length);
  }
}
