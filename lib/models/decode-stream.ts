import type { DecodeOptions, Tokenizer } from "./tokenizer.js";

/** Ids that are decoded again with each new one, at most, and how many of them are kept when they are more. */
const WINDOW = 12;
const KEPT = 4;

/** Stands for bytes that are no UTF-8; an incomplete character at the end of a text decodes to exactly one. */
const REPLACEMENT = "\ufffd";

/**
 * Decodes a text as its ids come: what `push` and `end` return is, joined, what `Tokenizer.decode` makes of all ids, and
 * no piece ends inside a character. Takes time linear in the ids, with any tokenizer whose decoding of an id depends on
 * its nearest neighbours alone: a window of ids is decoded, whose first ones (already handed out) are the context.
 */
export class DecodeStream {
  private readonly ids: number[] = [];
  /** Of the window. */
  private text = "";
  /** Characters of the window's text that were handed out. */
  private handed = 0;

  constructor(
    private readonly tokenizer: Pick<Tokenizer, "decode">,
    private readonly options: DecodeOptions = {},
  ) {}

  /** Takes the next id. Returns the text that is now certain, often "". */
  push(id: number): string {
    const { ids } = this;
    const before = this.text;
    ids.push(id);
    const text = (this.text = this.decode(ids));
    // The bytes before an incomplete character will not change.
    const certain = text.endsWith(REPLACEMENT) ? text.length - 1 : text.length;
    const piece = text.slice(this.handed, certain);
    this.handed = Math.max(this.handed, certain);
    // An id that says nothing is no context.
    if (ids.length > WINDOW && !this.shorten() && text === before) ids.pop();
    return piece;
  }

  /** The rest: "", or U+FFFD when the last character lacks bytes or is U+FFFD itself. */
  end(): string {
    const rest = this.text.slice(this.handed);
    this.handed = this.text.length;
    return rest;
  }

  private decode(ids: readonly number[]): string {
    return this.tokenizer.decode(ids, this.options);
  }

  /** Moves the window's start on, where its end then still reads the same. */
  private shorten(): boolean {
    const { ids, text } = this;
    const waiting = text.length - this.handed;
    const boundary = this.boundary();
    let start = boundary - KEPT;
    // Some tokenizers strip a space from the start of a text, so there must be text before what follows.
    while (start > 0 && this.decode(ids.slice(start, boundary)) === "") start--;
    if (start <= 0) return false;
    ids.splice(0, start);
    this.text = this.decode(ids);
    this.handed = this.text.length - waiting;
    return true;
  }

  /** The last place between two ids, or at the end, that is certainly not inside a character; 0 if there is none. */
  private boundary(): number {
    const { ids, text } = this;
    if (!text.endsWith(REPLACEMENT)) return ids.length;
    // Parts of a character that are decoded apart give more replacements than it has characters.
    for (let at = ids.length - 1; at > 0; at--) {
      const rest = this.decode(ids.slice(at));
      if (rest !== "" && this.decode(ids.slice(0, at)) + rest === text) return at;
    }
    return 0;
  }
}
