/** Lines of JSON that mining wrote, or somebody changed since. */
import type { z } from "zod";

import { IBertError } from "../../errors.js";

/**
 * @param where file and line
 * @param hint what writes them anew
 * @throws IBertError `mined-invalid` naming the place, and the key that is at fault
 */
export function parseMined<T>(line: string, shape: z.ZodType<T>, where: string, hint: string): T {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new IBertError("mined-invalid", `${where}: not JSON`, { hint });
  }
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new IBertError("mined-invalid", `${where}: ${issue?.path.join(".")}: ${issue?.message}`, { hint });
}
