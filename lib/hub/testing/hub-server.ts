/** The hub's interface on this machine, as far as a pull asks it, with the faults that networks and mirrors have. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { onTestFinished } from "vitest";

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** What the server does instead of the right thing, a request at a time. */
export type Fault = (request: IncomingMessage, response: ServerResponse, content: Buffer) => boolean;

export interface Asked {
  path: string;
  host: "hub" | "cdn";
  range: string | undefined;
  token: string | undefined;
  status: number;
}

export interface HubServer {
  readonly endpoint: string;
  readonly asked: Asked[];
  /** Requests for a file by its name. */
  downloads(name: string): Asked[];
  /** Takes the next request for a file's content in hand; true where it has answered. */
  faults: Map<string, Fault[]>;
  /** A token without which files are refused. */
  gate: string | undefined;
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
export const gitHash = (bytes: Buffer): string =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

/** What the hub calls a file's content: large ones are kept beside git. */
export const hashOf = (name: string, bytes: Buffer): string =>
  name.endsWith(".safetensors") ? sha256(bytes) : gitHash(bytes);

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/**
 * A hub with one repository, whose branches `main` and `v1/x` are at one commit. Large files come from a second
 * host, as the hub's do; listings come in pages of two entries.
 */
export async function hubServer(
  files: Readonly<Record<string, Buffer>>,
  repository = "owner/name",
): Promise<HubServer> {
  const asked: Asked[] = [];
  const names = Object.keys(files);
  const hub: HubServer = {
    endpoint: "",
    asked,
    downloads: (name) => asked.filter(({ path, host }) => path.endsWith(`/${name}`) && host === "hub"),
    faults: new Map(),
    gate: undefined,
  };
  const note = (host: Asked["host"], request: IncomingMessage, response: ServerResponse): void => {
    const { range, authorization } = request.headers;
    const path = (request.url ?? "").replace(/\?.*/, "");
    response.on("close", () =>
      asked.push({
        path,
        host,
        range,
        token: authorization?.replace("Bearer ", ""),
        status: response.statusCode,
      }),
    );
  };
  const json = (
    response: ServerResponse,
    status: number,
    value: unknown,
    headers: Record<string, string> = {},
  ) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
  const content = (request: IncomingMessage, response: ServerResponse, name: string): void => {
    const bytes = files[name] as Buffer;
    if (hub.faults.get(name)?.shift()?.(request, response, bytes) === true) return;
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? NaN);
    if (Number.isNaN(start)) {
      response.writeHead(200, { "content-length": bytes.length }).end(bytes);
      return;
    }
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    response
      .writeHead(206, { "content-length": bytes.length - start, "content-range": range })
      .end(bytes.subarray(start));
  };
  const cdn = await listen(
    createServer((request, response) => {
      note("cdn", request, response);
      content(request, response, (request.url ?? "").slice(1));
    }),
  );
  const endpoint = await listen(
    createServer((request, response) => {
      note("hub", request, response);
      const url = new URL(request.url ?? "", "http://hub");
      const fault = hub.faults.get("api")?.shift();
      if (url.pathname.startsWith("/api/") && fault?.(request, response, Buffer.alloc(0)) === true) return;
      if (!url.pathname.includes(repository)) {
        json(response, 401, { error: "Invalid username or password." }, { "x-error-code": "RepoNotFound" });
        return;
      }
      const revision = url.pathname.split(`/api/models/${repository}/revision/`)[1];
      if (revision !== undefined) {
        if (["main", "v1/x", COMMIT].includes(decodeURIComponent(revision)))
          json(response, 200, { id: repository, sha: COMMIT });
        else json(response, 404, { error: "no such revision" }, { "x-error-code": "RevisionNotFound" });
        return;
      }
      if (url.pathname === `/api/models/${repository}/tree/${COMMIT}`) {
        const from = Number(url.searchParams.get("cursor") ?? 0);
        const entries = names.slice(from, from + 2).map((path) => {
          const bytes = files[path] as Buffer;
          const lfs = { oid: sha256(bytes), size: bytes.length, pointerSize: 130 };
          return {
            type: "file",
            path,
            size: bytes.length,
            oid: gitHash(bytes),
            ...(path.endsWith(".safetensors") ? { lfs } : {}),
          };
        });
        const next = `<${hub.endpoint}${url.pathname}?cursor=${from + 2}>; rel="next"`;
        json(
          response,
          200,
          [{ type: "directory", path: "original", size: 0, oid: COMMIT }, ...entries],
          from + 2 < names.length ? { link: next } : {},
        );
        return;
      }
      const name = url.pathname.replace(`/${repository}/resolve/${COMMIT}/`, "");
      if (hub.gate !== undefined && request.headers.authorization !== `Bearer ${hub.gate}`) {
        const status = request.headers.authorization === undefined ? 401 : 403;
        json(
          response,
          status,
          { error: "gated" },
          { "x-error-code": "GatedRepo", "x-error-message": "Access is restricted." },
        );
      } else if (files[name] === undefined) json(response, 404, {}, { "x-error-code": "EntryNotFound" });
      else if (name.endsWith(".safetensors")) response.writeHead(302, { location: `${cdn}/${name}` }).end();
      else content(request, response, name);
    }),
  );
  Object.assign(hub, { endpoint });
  return hub;
}

/** Sends so many bytes of what was asked for, then cuts the connection. */
export const cutAfter =
  (count: number): Fault =>
  (request, response, content) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const headers =
      start === 0 ? {} : { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` };
    response.writeHead(start === 0 ? 200 : 206, { "content-length": content.length - start, ...headers });
    response.write(content.subarray(start, start + count), () => setTimeout(() => response.destroy(), 10));
    return true;
  };

/** Answers with a status. */
export const status =
  (code: number, headers: Record<string, string> = {}): Fault =>
  (_request, response) => {
    response.writeHead(code, headers).end("not now");
    return true;
  };
