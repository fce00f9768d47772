/** Requests to the hub: who asks, how often anew, and what a refusal means in words. */
import { setTimeout as sleep } from "node:timers/promises";

import { IBertError } from "../errors.js";
import { parseAddress, type HubSettings } from "./settings.js";

export interface AccessOptions {
  /** Replaces the global `fetch`, e.g. for a proxy. */
  fetch?: typeof fetch;
  /**
   * Waits so many milliseconds before a request is made anew.
   * @internal
   */
  wait?: (milliseconds: number) => Promise<unknown>;
  /** Told why a request is made anew. */
  onRetry?: (message: string) => void;
  /** Seconds without a byte after which a connection is given up and made anew; 60 by default. */
  stallSeconds?: number;
}

/** Requests that fail one after the other, without a byte between them, before the hub is given up. */
export const MOST_ATTEMPTS = 6;
const LONGEST_WAIT_MS = 5 * 60_000;
const MOST_REDIRECTS = 10;

/** A failure that may pass: the network's, or one of the server that it says is for now. */
export class PassingFailure extends Error {
  constructor(
    message: string,
    /** What the server asks to be waited for. */
    readonly retryAfterMs?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Milliseconds of a Retry-After header: seconds or a date. */
function retryAfter(value: string | null): number | undefined {
  if (value === null || value.trim() === "") return undefined;
  const milliseconds = /^\s*\d+(\.\d+)?\s*$/.test(value)
    ? Number(value) * 1000
    : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? Math.min(Math.max(0, milliseconds), LONGEST_WAIT_MS) : undefined;
}

/** What is wrong with the network, without the layers around it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

/** One repository of the hub at its endpoint. */
export class HubAccess {
  readonly settings: HubSettings;
  /** `owner/name` */
  readonly repository: string;
  readonly #options: AccessOptions;

  constructor(settings: HubSettings, repository: string, options: AccessOptions) {
    this.settings = settings;
    this.repository = repository;
    this.#options = options;
  }

  /**
   * Repeats `attempt` while its failures pass, waiting longer each time or as long as the server says. `progress` counts what
   * was achieved so far: attempts that add to it are not counted.
   * @throws IBertError `download-failed`, or what `attempt` throws.
   */
  async repeat<T>(what: string, attempt: () => Promise<T>, progress: () => number = () => 0): Promise<T> {
    let failures = 0;
    for (let before = progress(); ; before = progress()) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof PassingFailure)) throw error;
        failures = progress() > before ? 1 : failures + 1;
        if (failures >= MOST_ATTEMPTS) {
          throw new IBertError("download-failed", `${what} could not be fetched: ${error.message}`, {
            hint: "Check the network and run this again: what has come is kept and continued. A local folder or .gguf file also serves.",
            cause: error,
          });
        }
        const milliseconds = error.retryAfterMs ?? 500 * 2 ** (failures - 1);
        this.#options.onRetry?.(`${what}: ${error.message}; again in ${Math.ceil(milliseconds / 1000)} s`);
        await (this.#options.wait ?? sleep)(milliseconds);
      }
    }
  }

  /** The JSON at an address below the endpoint, with the headers. */
  async json(address: string, what: string): Promise<{ value: unknown; headers: Headers }> {
    return this.repeat(what, async () => {
      const { response, stop } = await this.request(address, what);
      try {
        return { value: await response.json(), headers: response.headers };
      } catch (error) {
        throw new PassingFailure(`the answer is no JSON (${reasonOf(error)})`, undefined, { cause: error });
      } finally {
        stop();
      }
    });
  }

  /**
   * One request, redirects followed. The token goes to the endpoint's own host alone, and never to where it sends one on to.
   * The connection ends `stallSeconds` after the last call of `alive`; `stop` ends its watch.
   * @param address absolute, or a path below the endpoint
   * @throws PassingFailure, or IBertError `download-failed`, `hub-refused`.
   */
  async request(
    address: string,
    what: string,
    headers: Record<string, string> = {},
  ): Promise<{ response: Response; alive: () => void; stop: () => void }> {
    const { endpoint, token } = this.settings;
    const own = new URL(endpoint).origin;
    const controller = new AbortController();
    const { stallSeconds = 60 } = this.#options;
    const timer = setTimeout(
      () => controller.abort(new Error(`no byte came in ${stallSeconds} s`)),
      1000 * stallSeconds,
    );
    const stop = (): void => clearTimeout(timer);
    const alive = (): void => void timer.refresh();
    try {
      let url = new URL(address, `${endpoint}/`);
      for (let redirects = 0; ; redirects++) {
        const authorised = token !== undefined && url.origin === own;
        const response = await this.#send(url, {
          headers: {
            "user-agent": "ibert",
            // Ranges and lengths are those of the stored bytes.
            "accept-encoding": "identity",
            ...headers,
            ...(authorised ? { authorization: `Bearer ${token}` } : {}),
          },
          redirect: "manual",
          signal: controller.signal,
        });
        alive();
        const location = response.headers.get("location");
        if (response.status < 300 || response.status >= 400 || location === null) {
          await this.#requireGood(response, what);
          return { response, alive, stop };
        }
        await response.body?.cancel();
        const next = parseAddress(location, url);
        if (redirects === MOST_REDIRECTS || next === undefined) {
          throw new IBertError(
            "download-failed",
            `${what}: the hub redirects to ${JSON.stringify(location)}, without an end`,
            {
              hint: "Check HF_ENDPOINT and the proxy between here and the hub.",
            },
          );
        }
        url = next;
      }
    } catch (error) {
      stop();
      throw error;
    }
  }

  async #send(url: URL, init: RequestInit): Promise<Response> {
    try {
      return await (this.#options.fetch ?? fetch)(url, init);
    } catch (error) {
      throw new PassingFailure(reasonOf(error), undefined, { cause: error });
    }
  }

  async #requireGood(response: Response, what: string): Promise<void> {
    const { status, headers } = response;
    if (status === 200 || status === 206) return;
    // Small, and read so that the connection can serve again.
    const text = (await response.text().catch(() => "")).slice(0, 300).trim();
    const said = headers.get("x-error-message") ?? (/^\s*</.test(text) ? "" : text);
    const answer = `the hub answers ${status}${said === "" ? "" : ` (${said})`}`;
    if (status === 408 || status === 416 || status === 429 || status >= 500) {
      throw new PassingFailure(answer, retryAfter(headers.get("retry-after")));
    }
    throw this.#refusal(status, headers.get("x-error-code"), `${what}: ${answer}`);
  }

  #refusal(status: number, code: string | null, message: string): IBertError {
    const { endpoint, token } = this.settings;
    const page = `${endpoint}/${this.repository}`;
    if (status !== 401 && status !== 403) {
      return new IBertError("download-failed", message, {
        hint: "Check the name and the revision; a private model needs a token (HF_TOKEN).",
      });
    }
    // Without a token, the hub says of a model that is not there what it says of a private one.
    const isHidden = code === "RepoNotFound";
    const first = isHidden
      ? "Check the name: there is no such model, or it is private."
      : `Accept the model's terms at ${page}.`;
    const second =
      token === undefined
        ? " Set HF_TOKEN to a token that may read it (or log in: hf auth login)."
        : " The token that was sent (HF_TOKEN, or that of hf auth login) may not read it, or is no longer valid.";
    return new IBertError("hub-refused", message, { hint: `${first}${second}` });
  }
}
