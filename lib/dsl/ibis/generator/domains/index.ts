import { COMMERCE } from "./commerce.js";
import { INDUSTRY } from "./industry.js";
import { HELD_OUT, NATURE } from "./nature.js";
import { NESTED, NESTED_HELD_OUT } from "./nested.js";
import { parseDomains, withColumns, type DomainWords } from "./parse.js";
import { SOCIETY } from "./society.js";
import { STARS, STARS_HELD_OUT } from "./stars.js";

export const DOMAINS: readonly DomainWords[] = withColumns(
  parseDomains(COMMERCE, INDUSTRY, SOCIETY, NATURE, STARS),
  parseDomains(NESTED),
);
export const HELD_OUT_DOMAINS: readonly DomainWords[] = withColumns(
  parseDomains(HELD_OUT, STARS_HELD_OUT),
  parseDomains(NESTED_HELD_OUT),
);
