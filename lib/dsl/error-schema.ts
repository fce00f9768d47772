import { z } from "zod";

/** A VerdictError as a sandbox's process sends it: checked, since that process has read untrusted text. */
export const verdictErrorSchema = z.strictObject({
  type: z.string(),
  message: z.string(),
  position: z
    .strictObject({
      line: z.number().int(),
      column: z.number().int(),
      endLine: z.number().int().exactOptional(),
      endColumn: z.number().int().exactOptional(),
    })
    .exactOptional(),
});
