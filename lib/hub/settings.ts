/**
 * Where the hub is, where its cache lies, and who asks: the environment variables of `huggingface_hub`, read anew at
 * each use. Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

import { IBertError } from "../errors.js";

export interface HubSettings {
  /** Without a slash at the end. */
  readonly endpoint: string;
  /** The folder of `models--owner--name`; absolute. */
  readonly cache: string;
  readonly token: string | undefined;
  /** No request may be made. */
  readonly offline: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

const TRUE = new Set(["1", "ON", "YES", "TRUE"]);

const isOn = (value: string | undefined): boolean => TRUE.has((value ?? "").toUpperCase());

/** The value of the first variable that is set and not empty. */
function first(environment: Environment, ...names: string[]): string | undefined {
  return names.map((name) => environment[name]?.trim()).find((value) => value !== undefined && value !== "");
}

function expandHome(path: string): string {
  return resolve(path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path);
}

/**
 * What the environment says of the hub.
 * @throws IBertError `option-invalid` where HF_ENDPOINT is no address.
 */
export function hubSettings(environment: Environment = process.env): HubSettings {
  const home = expandHome(
    first(environment, "HF_HOME") ??
      join(first(environment, "XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface"),
  );
  return {
    endpoint: endpointOf(first(environment, "HF_ENDPOINT")),
    cache: expandHome(first(environment, "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") ?? join(home, "hub")),
    token: tokenOf(environment, home),
    offline: isOn(environment["HF_HUB_OFFLINE"]) || isOn(environment["TRANSFORMERS_OFFLINE"]),
  };
}

/** An address of http or https, whole or from a base on; undefined for anything else. */
export function parseAddress(text: string, base?: URL): URL | undefined {
  if (!URL.canParse(text, base?.href)) return undefined;
  const url = new URL(text, base);
  return /^https?:$/.test(url.protocol) ? url : undefined;
}

function endpointOf(value = "https://huggingface.co"): string {
  if (parseAddress(value) === undefined) {
    throw new IBertError(
      "option-invalid",
      `HF_ENDPOINT is ${JSON.stringify(value)}, which is no http address`,
      {
        hint: "Give it as https://host, or unset it.",
      },
    );
  }
  return value.replace(/\/+$/, "");
}

/** From a variable, else from the file where `hf auth login` leaves it. */
function tokenOf(environment: Environment, home: string): string | undefined {
  if (isOn(environment["HF_HUB_DISABLE_IMPLICIT_TOKEN"])) return undefined;
  const named = first(environment, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN");
  if (named !== undefined) return named;
  try {
    return (
      readFileSync(expandHome(first(environment, "HF_TOKEN_PATH") ?? join(home, "token")), "utf8").trim() ||
      undefined
    );
  } catch {
    return undefined; // Nobody has logged in here, or not for this user to read.
  }
}
