/**
 * Imported first, for its effect: a Node that is too old is named before anything fails for want of what it lacks. It
 * imports nothing that an old Node would not have.
 */
import { whyNodeIsTooOld } from "./node-version.js";

const problem = whyNodeIsTooOld(process.versions.node);
if (problem !== undefined) throw Object.assign(new Error(problem), { code: "node-too-old" });
