import type { Random } from "../../data/random.js";

/** A reader under attack. */
export interface Target {
  /** Writes one input, of which `random` decides everything, into a folder. @returns its bytes */
  write(folder: string, random: Random): number;
  /** Writes what all inputs are made from, and a reader takes. */
  sound(folder: string): void;
  /** Reads it as a user's program would, and uses what it gave a little. */
  read(folder: string): void | Promise<void>;
  /** What is wrong with an error that it gave; by default that it is none of ibert's, or names no file. */
  errorFault?(error: unknown): string | undefined;
  /** After the last input. */
  close?(): void;
}
