/** A package registry on this machine alone: a tarball, and the packages of a node_modules folder as they lie there. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const sha512 = (bytes) => `sha512-${createHash("sha512").update(bytes).digest("base64")}`;

/** A folder of node_modules as npm would have it: below `package/`. */
function tarballOf(folder) {
  const words = [
    "-czf",
    "-",
    "--transform",
    "s,^\\./,package/,",
    "--exclude",
    "./node_modules",
    "-C",
    folder,
    ".",
  ];
  return execFileSync("tar", words, { maxBuffer: 2 ** 30 });
}

/**
 * Serves the package of `tarball` and those of `modules`; what is neither is not there.
 * @param withOptional whether packages say what they depend on optionally, of which modules may lack some
 * @returns its address, and how to end it
 */
export async function serveRegistry(tarball, manifest, modules, { withOptional = true } = {}) {
  const packages = new Map([[manifest.name, { manifest, bytes: readFileSync(tarball) }]]);
  const find = (name) => {
    const folder = join(modules, name);
    if (!packages.has(name) && existsSync(join(folder, "package.json"))) {
      const content = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      packages.set(name, { manifest: content, bytes: tarballOf(folder) });
    }
    return packages.get(name);
  };
  const server = createServer((request, response) => {
    const [, name, asTarball] = /^\/(.+?)(\/-\/package\.tgz)?$/.exec(decodeURIComponent(request.url)) ?? [];
    const found = name === undefined ? undefined : find(name);
    if (found === undefined) return response.writeHead(404).end("{}");
    if (asTarball !== undefined) return response.end(found.bytes);
    const { optionalDependencies, ...rest } = found.manifest;
    const { version } = rest;
    const told =
      withOptional && optionalDependencies !== undefined ? { ...rest, optionalDependencies } : rest;
    const dist = {
      tarball: `http://${request.headers.host}/${name}/-/package.tgz`,
      integrity: sha512(found.bytes),
    };
    response.end(
      JSON.stringify({
        name,
        "dist-tags": { latest: version },
        versions: { [version]: { ...told, dist } },
      }),
    );
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}/`,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
