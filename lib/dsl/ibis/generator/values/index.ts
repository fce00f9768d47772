/** All templates of expressions, by where they may stand. */
import { ARRAYS } from "./arrays.js";
import { BYTES } from "./bytes.js";
import { CHOICES } from "./choices.js";
import { INTERVALS } from "./intervals.js";
import { DOCUMENTS } from "./json.js";
import { MAPS } from "./maps.js";
import { NUMBERS } from "./numbers.js";
import { STRINGS } from "./strings.js";
import { STRUCTS } from "./structs.js";
import { TEMPORAL } from "./temporal.js";
import type { ValueTemplate } from "./template.js";

export { OF_THE_DAY as DAY_TEMPLATES, PREDICATES as PREDICATE_TEMPLATES } from "./predicates.js";
export { REDUCTIONS_OF_COLUMNS as REDUCTION_TEMPLATES } from "./reductions.js";
export { OF_DIALECTS as DIALECT_TEMPLATES } from "./dialects.js";
export { WINDOWS as WINDOW_TEMPLATES } from "./windows.js";

/** Row by row. */
export const SCALAR_TEMPLATES: readonly ValueTemplate[] = [
  ...[STRINGS, NUMBERS, CHOICES, TEMPORAL, INTERVALS],
  ...[ARRAYS, MAPS, STRUCTS, DOCUMENTS, BYTES],
].flat();
