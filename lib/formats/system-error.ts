import { IBertError } from "../errors.js";

const HINTS: Record<string, string> = {
  ENOENT: "Check the path.",
  EACCES: "Give this user the right to it, or name another place.",
  EPERM: "Give this user the right to it, or name another place.",
  EROFS: "The file system is read-only; name another place.",
  ENOSPC: "The disk is full; free some space or name another place. What was there before is untouched.",
  EDQUOT:
    "The disk quota is used up; free some space or name another place. What was there before is untouched.",
  EMFILE: "Raise the limit (ulimit -n), or close what holds files open.",
  ENFILE: "The whole system has too many files open; close programs that hold them.",
  EISDIR: "Name a file in it.",
  ENOTDIR: "Check the path: a part of it that should be a folder is a file.",
  ELOOP: "A symbolic link leads back to itself.",
  EIO: "The disk or the network drive fails; what was read cannot be trusted.",
};

const MEANINGS: Record<string, string> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "no space left on the disk",
  EDQUOT: "disk quota exceeded",
  EMFILE: "too many open files",
  ENFILE: "too many open files",
  EISDIR: "this is a folder",
  ENOTDIR: "a part of the path is no folder",
  ELOOP: "too many symbolic links",
  EIO: "the device failed",
};

/** The error code that the system gave (`ENOSPC`), or undefined. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Turns a failed system call into an error that names the path and what would mend it; an IBertError passes as it is. */
export function describeSystemError(error: unknown, verb: "read" | "write", path: string): IBertError {
  if (error instanceof IBertError) return error;
  const code = systemCode(error);
  const message = error instanceof Error ? error.message : String(error);
  const hint = code === undefined ? undefined : HINTS[code];
  return new IBertError(
    code === "ENOENT"
      ? "file-missing"
      : code === "ENOSPC"
        ? "disk-full"
        : code === "EISDIR"
          ? "not-a-file"
          : `${verb}-failed`,
    `${path}: cannot ${verb}: ${(code === undefined ? undefined : MEANINGS[code]) ?? message}`,
    { cause: error, ...(hint === undefined ? {} : { hint }) },
  );
}
