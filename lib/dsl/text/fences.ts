/** Markdown's fenced code blocks (CommonMark 4.5). */

const OPENING = /^( {0,3})(`{3,}|~{3,})([^\n]*)$/;

export interface FencedText {
  /** What stands before the block, in it, and after it; a block that is not closed reaches to the end. */
  before: string;
  code: string;
  after: string;
  closed: boolean;
}

/** The first fenced block of a text; undefined when it has none. */
export function firstFence(text: string): FencedText | undefined {
  const lines = text.split("\n");
  const isOpening = (line: string): boolean => {
    const found = OPENING.exec(line);
    return found !== null && !(found[2]?.startsWith("`") === true && found[3]?.includes("`") === true);
  };
  const start = lines.findIndex(isOpening);
  if (start < 0) return undefined;
  const fence = OPENING.exec(lines[start] as string)?.[2] as string;
  const isClosing = (line: string): boolean => {
    const stripped = line.replace(/^ {0,3}/, "").trimEnd();
    return stripped.length >= fence.length && stripped === (fence[0] as string).repeat(stripped.length);
  };
  const length = lines.slice(start + 1).findIndex(isClosing);
  const end = length < 0 ? lines.length : start + 1 + length;
  return {
    before: lines.slice(0, start).join("\n"),
    code: lines.slice(start + 1, end).join("\n"),
    after: lines.slice(end + 1).join("\n"),
    closed: length >= 0,
  };
}

/** The code of a text that is one fenced block and nothing else; any other text as it is. */
export function unfenced(text: string): string {
  const found = firstFence(text);
  return found !== undefined && (found.before + found.after).trim() === "" ? found.code : text;
}
