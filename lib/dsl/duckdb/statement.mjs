/** What DuckDB's text shows before it is parsed: its first word, its statements, and the calls of one kind of function. */

const WORD = /[\p{L}_][\p{L}\p{N}_$]*/uy;
const DOLLAR_QUOTE = /\$(?:[\p{L}_][\p{L}\p{N}_]*)?\$/uy;
// `E'…'` is the one string in which a backslash escapes.
const STRING = /'(?:[^']|'')*'?/y;
const ESCAPE_STRING = /[eE]'(?:[^'\\]|\\.|'')*'?/sy;
const QUOTED = /"(?:[^"]|"")*"?/y;

const [UNDERSCORE, DOLLAR] = [0x5f, 0x24];
const isLetter = (code) => (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
const isOfWord = (code) =>
  isLetter(code) || (code >= 0x30 && code <= 0x39) || code === UNDERSCORE || code === DOLLAR;
/** Signs of ASCII that begin nothing longer; digits are signs too. */
const SIGNS = new Set([..."0123456789()*,.;:=<>+%!?|&^~@#[]{}`\\"].map((sign) => sign.charCodeAt(0)));

/** What `tokenAt` gives for words, white space and signs of ASCII, of which most texts are; undefined for all else. */
function plainTokenAt(sql, start) {
  const code = sql.charCodeAt(start);
  if (code === 0x20 || (code >= 9 && code <= 13)) return { kind: "space", text: sql[start] };
  if (SIGNS.has(code)) return { kind: "sign", text: sql[start] };
  if (!isLetter(code) && code !== UNDERSCORE) return undefined;
  let end = start + 1;
  while (isOfWord(sql.charCodeAt(end))) end++;
  const next = sql.charCodeAt(end);
  // A letter beyond ASCII goes on with the word; `E'` begins a string.
  if (next > 0x7f || (next === 0x27 && end === start + 1)) return undefined;
  return { kind: "word", text: sql.slice(start, end) };
}

/** The end of the comment, string, word or sign that begins at `start`, and what it is. */
function tokenAt(sql, start) {
  const plain = plainTokenAt(sql, start);
  if (plain !== undefined) return plain;
  const match = (pattern) => {
    pattern.lastIndex = start;
    return pattern.exec(sql)?.[0];
  };
  const two = sql.slice(start, start + 2);
  if (two === "--") {
    const end = sql.indexOf("\n", start);
    return { kind: "space", text: sql.slice(start, end < 0 ? sql.length : end) };
  }
  if (two === "/*") {
    let depth = 1;
    let at = start + 2;
    while (at < sql.length && depth > 0) {
      const here = sql.slice(at, at + 2);
      if (here === "/*") depth++;
      else if (here === "*/") depth--;
      at += here === "/*" || here === "*/" ? 2 : 1;
    }
    return { kind: "space", text: sql.slice(start, at) };
  }
  const string = match(ESCAPE_STRING) ?? match(STRING);
  if (string !== undefined) return { kind: "string", text: string };
  const quoted = match(QUOTED);
  if (quoted !== undefined) return { kind: "quoted", text: quoted };
  const tag = match(DOLLAR_QUOTE);
  if (tag !== undefined) {
    const end = sql.indexOf(tag, start + tag.length);
    return { kind: "string", text: sql.slice(start, end < 0 ? sql.length : end + tag.length) };
  }
  const word = match(WORD);
  if (word !== undefined) return { kind: "word", text: word };
  const letter = String.fromCodePoint(sql.codePointAt(start));
  return { kind: /\s/.test(letter) ? "space" : "sign", text: letter };
}

/** Every token that is no space or comment, with the offset of its first UTF-16 unit. */
export function* tokens(sql) {
  for (let at = 0; at < sql.length;) {
    const token = tokenAt(sql, at);
    if (token.kind !== "space") yield { ...token, start: at };
    at += token.text.length;
  }
}

/** `{first, count}`: the first word in upper case (past opening brackets), and how many statements semicolons part the tokens into. */
export function outline(all) {
  let first = "";
  let count = 0;
  let within = false;
  for (const { kind, text } of all) {
    if (text === ";") {
      within = false;
      continue;
    }
    if (!within) count++;
    within = true;
    if (first === "" && text !== "(") first = kind === "word" ? text.toUpperCase() : text;
  }
  return { first, count };
}

/**
 * Where a byte of the text's UTF-8 stands, and the token there: 1-based lines, columns in bytes, as verdicts count them.
 */
export function positionOf(sql, byte) {
  const bytes = Buffer.from(sql, "utf8");
  const at = Math.max(0, Math.min(byte, bytes.length));
  const before = bytes.subarray(0, at);
  const start = before.lastIndexOf(10) + 1;
  let line = 1;
  for (const value of before) if (value === 10) line++;
  const position = { line, column: at - start };
  const offset = before.toString("utf8").length;
  if (offset >= sql.length) return position;
  const { text } = tokenAt(sql, offset);
  if (text.includes("\n")) return position;
  return { ...position, endLine: line, endColumn: position.column + Buffer.byteLength(text, "utf8") };
}
