/** A file of a Python package index, fetched without Python: the "simple" interface of an index, as JSON or as HTML. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { ReadableStream } from "node:stream/web";
import { setTimeout as wait } from "node:timers/promises";

import { z } from "zod";

import { IBertError } from "../errors.js";
import { writeFileAtomic } from "../formats/atomic.js";

/** What is asked of an index; the file's hash is pinned here, whatever the index says. */
export interface IndexedFile {
  readonly package: string;
  readonly file: string;
  readonly sha256: string;
}

export interface IndexOptions {
  /** Told what takes time. */
  report?: (message: string) => void;
  /** Replaces the global `fetch`. */
  fetch?: typeof fetch;
  /** Pause before another try, in milliseconds; doubled every time. */
  pause?: number;
}

/** JSON (PEP 691) where the index has it, else its HTML (PEP 503). */
const ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.2";
const TRIES = 4;
/** Between two pieces of an answer. */
const SILENCE_MS = 60_000;

const Listing = z.object({ files: z.array(z.object({ filename: z.string(), url: z.string() })) });

/** A failure that another try may mend: the network, or a server that is busy. */
class Passing extends Error {}

/**
 * Fetches one file of an index to `target`; a failure of the network is tried again, and nothing is left where it stays.
 * @param index the address under which each package has a page, as pip's `--index-url` takes it
 * @throws IBertError `download-failed` naming the index, `hash-mismatch`, `disk-full`
 */
export async function fetchFromIndex(
  wanted: IndexedFile,
  index: string,
  target: string,
  { report = () => undefined, fetch: get = fetch, pause = 1000 }: IndexOptions = {},
): Promise<void> {
  const page = new URL(`${normalised(wanted.package)}/`, index.endsWith("/") ? index : `${index}/`);
  try {
    const place = await again(pause, report, async () => findFile(wanted, page, await ask(page, get)));
    await again(pause, report, () => download(wanted, place, target, { report, get }));
  } catch (error) {
    if (error instanceof IBertError) throw error;
    throw new IBertError(
      "download-failed",
      `${wanted.file} could not be fetched from ${withoutPassword(page)}: ${message(error)}`,
      {
        hint:
          "Check the network and run this again; PIP_INDEX_URL names another package index, " +
          "and with Python 3 and pip here pip's own settings hold, such as those of a proxy.",
        cause: error,
      },
    );
  }
}

/** An error with its cause, which for `fetch` is what happened. */
function message(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== ""
    ? `${error.message}: ${error.cause.message}`
    : error.message;
}

/** As an index spells a package's name (PEP 503). */
const normalised = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, "-");

/** An address as it may be shown. */
function withoutPassword(address: URL): string {
  const shown = new URL(address);
  shown.password = "";
  shown.username = "";
  return shown.href;
}

async function again<T>(
  pause: number,
  report: (message: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Passing) || tries === TRIES) throw error;
      report(`${error.message}; trying again (${tries + 1} of ${TRIES})`);
      await wait(pause * 2 ** (tries - 1));
    }
  }
}

/** One request; `fetch` takes no password in an address, so it goes into a header. */
async function ask(address: URL, get: typeof fetch, accept = ACCEPT): Promise<Response> {
  const headers: Record<string, string> = { accept };
  const { username, password } = address;
  if (username !== "" || password !== "") {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    headers["authorization"] = `Basic ${Buffer.from(pair).toString("base64")}`;
  }
  const shown = withoutPassword(address);
  let response: Response;
  try {
    response = await get(shown, { headers, signal: AbortSignal.timeout(SILENCE_MS) });
  } catch (error) {
    throw new Passing(`${new URL(shown).host} does not answer: ${message(error)}`);
  }
  if (response.ok) return response;
  await response.body?.cancel();
  const problem = `${new URL(shown).host} answers ${response.status} ${response.statusText}`.trimEnd();
  throw response.status === 429 || response.status >= 500 ? new Passing(problem) : new Error(problem);
}

async function findFile({ package: name, file }: IndexedFile, page: URL, response: Response): Promise<URL> {
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  const text = await response.text();
  const files = isJson ? Listing.parse(JSON.parse(text)).files : linksOf(text);
  const found = files.find(({ filename }) => filename === file);
  if (found === undefined) {
    throw new IBertError("download-failed", `${withoutPassword(page)} lists no file ${file}`, {
      hint: `The pinned file of ${name} is needed: name an index in PIP_INDEX_URL that has it.`,
    });
  }
  // Where a page was redirected to counts for what it says; a password goes to the same host alone.
  const place = new URL(found.url, response.url === "" ? page : response.url);
  if (place.host === page.host) [place.username, place.password] = [page.username, page.password];
  return place;
}

function linksOf(html: string): { filename: string; url: string }[] {
  return [...html.matchAll(/<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/gi)].map(([, double, single]) => {
    const url = (double ?? single ?? "").replaceAll("&amp;", "&");
    return { url, filename: decodeURIComponent(basename(url.replace(/[?#].*$/s, ""))) };
  });
}

async function download(
  { file, sha256 }: IndexedFile,
  place: URL,
  target: string,
  { report, get }: { report: (message: string) => void; get: typeof fetch },
): Promise<void> {
  // The whole of a file may take its time; what is bounded is how long nothing comes.
  const silence = new AbortController();
  const response = await ask(place, (input, init) => get(input, { ...init, signal: silence.signal }), "*/*");
  const bytes = Number(response.headers.get("content-length") ?? Number.NaN);
  report(`fetching ${file}${bytes > 0 ? ` (${(bytes / 1e6).toFixed(1)} MB)` : ""}`);
  const hash = createHash("sha256");
  let cut: Passing | undefined;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    let done = 0;
    let quarter = 1;
    const timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      for await (const piece of (response.body ?? []) as ReadableStream<Uint8Array>) {
        timer.refresh();
        hash.update(piece);
        done += piece.byteLength;
        for (; quarter < 4 && bytes > 8e6 && done >= (bytes * quarter) / 4; quarter++) {
          report(`${25 * quarter} % of ${file}`);
        }
        yield piece;
      }
    } catch (error) {
      throw (cut = new Passing(
        `the connection to ${place.host} was cut after ${done} bytes: ${message(error)}`,
      ));
    } finally {
      clearTimeout(timer);
    }
    if (bytes > 0 && done !== bytes && response.headers.get("content-encoding") === null) {
      throw (cut = new Passing(`${place.host} sent ${done} of ${bytes} bytes`));
    }
    const actual = hash.digest("hex");
    if (actual === sha256) return;
    throw new IBertError(
      "hash-mismatch",
      `${file} of ${place.host} has the SHA-256 ${actual}, but ${sha256} is pinned`,
      { hint: "The download is damaged or was changed on its way; nothing of it was kept. Run this again." },
    );
  }
  try {
    await writeFileAtomic(target, pieces());
  } catch (error) {
    throw cut ?? error;
  }
}
