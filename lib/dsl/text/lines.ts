/** A text whose lines end with "\n" alone, without a byte order mark; Python and SQL read line ends in the same way. */
export function unixLines(text: string): string {
  return text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
}
