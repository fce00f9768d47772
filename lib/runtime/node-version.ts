/** The oldest Node that ibert runs on; package.json says the same to package managers. */
export const OLDEST_NODE = "20.17";

/** Why a version of Node is too old: what is found, what is needed, and what helps. */
export function whyNodeIsTooOld(version: string): string | undefined {
  const [found, needed] = [version, OLDEST_NODE].map((text) => text.split(".").map(Number)) as [
    number[],
    number[],
  ];
  const [major = 0, minor = 0] = found;
  const [oldestMajor = 0, oldestMinor = 0] = needed;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined;
  return `This is Node ${version}; ibert needs ${OLDEST_NODE} or later. Install a newer one, such as the current LTS, and try again.`;
}
