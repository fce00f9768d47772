import { IBertError } from "../errors.js";
import type { Gguf, GgufValue } from "./gguf.js";

/** Typed access to a GGUF's metadata, with errors that name the file and the key. */
export class GgufMetadata {
  constructor(readonly gguf: Gguf) {}

  #typed<T extends GgufValue>(key: string, type: "number" | "string" | "boolean"): T | undefined {
    const value = this.gguf.metadata.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== type) throw this.#invalid(`metadata ${key} is no ${type}`);
    return value as T;
  }

  #invalid(message: string): IBertError {
    return new IBertError("gguf-metadata", `${this.gguf.path}: ${message}`, {
      hint: "Use a GGUF file that holds a whole language model with its tokenizer.",
    });
  }

  number(key: string): number | undefined {
    return this.#typed<number>(key, "number");
  }

  string(key: string): string | undefined {
    return this.#typed<string>(key, "string");
  }

  boolean(key: string): boolean | undefined {
    return this.#typed<boolean>(key, "boolean");
  }

  strings(key: string): readonly string[] | undefined {
    return this.#array(key, "string") as readonly string[] | undefined;
  }

  numbers(key: string): readonly number[] | undefined {
    return this.#array(key, "number") as readonly number[] | undefined;
  }

  #array(key: string, type: "number" | "string"): readonly GgufValue[] | undefined {
    const value = this.gguf.metadata.get(key);
    if (value === undefined) return undefined;
    if (!isArray(value) || value.some((element) => typeof element !== type)) {
      throw this.#invalid(`metadata ${key} is no array of ${type}s`);
    }
    return value;
  }

  requireNumber(key: string): number {
    return this.#require(key, this.number(key));
  }

  requireString(key: string): string {
    return this.#require(key, this.string(key));
  }

  requireStrings(key: string): readonly string[] {
    return this.#require(key, this.strings(key));
  }

  #require<T>(key: string, value: T | undefined): T {
    if (value === undefined) throw this.#invalid(`metadata ${key} is missing`);
    return value;
  }
}

/** `Array.isArray` that knows read-only arrays. */
function isArray(value: GgufValue): value is readonly GgufValue[] {
  return Array.isArray(value);
}
