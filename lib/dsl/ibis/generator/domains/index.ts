import { COMMERCE } from "./commerce.js";
import { INDUSTRY } from "./industry.js";
import { HELD_OUT, NATURE } from "./nature.js";
import { NESTED, NESTED_HELD_OUT } from "./nested.js";
import { parseDomains, withColumns, type DomainWords } from "./parse.js";
import { SOCIETY } from "./society.js";

export const DOMAINS: readonly DomainWords[] = withColumns(
  parseDomains(COMMERCE, INDUSTRY, SOCIETY, NATURE),
  parseDomains(NESTED),
);
export const HELD_OUT_DOMAINS: readonly DomainWords[] = withColumns(
  parseDomains(HELD_OUT),
  parseDomains(NESTED_HELD_OUT),
);
