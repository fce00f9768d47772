import { COMMERCE } from "./commerce.js";
import { INDUSTRY } from "./industry.js";
import { HELD_OUT, NATURE } from "./nature.js";
import { parseDomains, type DomainWords } from "./parse.js";
import { SOCIETY } from "./society.js";

export const DOMAINS: readonly DomainWords[] = parseDomains(COMMERCE, INDUSTRY, SOCIETY, NATURE);
export const HELD_OUT_DOMAINS: readonly DomainWords[] = parseDomains(HELD_OUT);
