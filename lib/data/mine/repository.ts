/** Repositories that are mined: their Python files, and where these are from. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { promisify } from "node:util";

import { IBertError } from "../../errors.js";
import { describeSystemError } from "../../formats/system-error.js";
import { readZipMember, zipMemberNames } from "../../formats/zip.js";

export interface Repository {
  name: string;
  /** Absolute path of the folder or the wheel. */
  place: string;
  /** That of git, with "+" where the files differ from it; of a wheel its version; "none" without either. */
  commit: string;
  /** An SPDX name where the licence says one; "unstated" where there is none. */
  licence: string;
  /** Python files, by their paths within it, sorted. */
  files: string[];
  read(file: string): Promise<Uint8Array>;
}

/** What a licence's text says, and the name that SPDX has for it. */
const LICENCES: readonly (readonly [text: RegExp, name: string])[] = [
  [/Apache License\s+Version 2\.0/, "Apache-2.0"],
  [/GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3/, "AGPL-3.0"],
  [/GNU LESSER GENERAL PUBLIC LICENSE\s+Version 3/, "LGPL-3.0"],
  [/GNU GENERAL PUBLIC LICENSE\s+Version 3/, "GPL-3.0"],
  [/GNU GENERAL PUBLIC LICENSE\s+Version 2/, "GPL-2.0"],
  [/Mozilla Public License Version 2\.0/, "MPL-2.0"],
  [/Permission is hereby granted, free of charge, to any person obtaining a copy/, "MIT"],
  [/Redistribution and use in source and binary forms[^]*Neither the name/, "BSD-3-Clause"],
  [/Redistribution and use in source and binary forms/, "BSD-2-Clause"],
  [/This is free and unencumbered software released into the public domain/, "Unlicense"],
  [/CC0 1\.0 Universal/, "CC0-1.0"],
];

/** The licence that a text of one says, else the one that a project's metadata name. */
export function licenceOf(text: string | undefined, metadata: string | undefined): string {
  const known = text === undefined ? undefined : LICENCES.find(([pattern]) => pattern.test(text))?.[1];
  const named =
    /^licen[sc]e(?:-expression)?\s*=\s*(?:\{\s*text\s*=\s*)?["']([^"'\n]+)["']/im.exec(metadata ?? "")?.[1] ??
    /^License(?:-Expression)?: (.+)$/m.exec(metadata ?? "")?.[1];
  return known ?? named?.trim() ?? "unstated";
}

/** Folders that hold no code of the repository's own. */
const LEFT_OUT = new Set(["node_modules", "__pycache__", "site-packages", "build", "dist"]);

/** A folder, or a wheel. @throws IBertError `file-missing`, `option-invalid`, `zip-invalid` */
export async function openRepository(place: string): Promise<Repository> {
  let isFolder: boolean;
  try {
    isFolder = statSync(place).isDirectory();
  } catch (error) {
    throw describeSystemError(error, "read", place);
  }
  if (isFolder) return openFolder(resolve(place));
  if (place.endsWith(".whl")) return openWheel(place);
  throw new IBertError("option-invalid", `${place}: neither a folder nor a wheel`, {
    hint: "Name the folder of a repository.",
  });
}

async function openFolder(root: string): Promise<Repository> {
  const listed = await git(
    root,
    "ls-files",
    "-z",
    "--cached",
    "--others",
    "--exclude-standard",
    "--",
    "*.py",
  );
  const files = listed === undefined ? walk(root, root) : listed.split("\0");
  const isFile = (file: string): boolean =>
    statSync(join(root, file), { throwIfNoEntry: false })?.isFile() === true;
  const [head, changes] = [
    await git(root, "rev-parse", "HEAD"),
    await git(root, "status", "--porcelain", "--", "."),
  ];
  const licence = readdirSync(root)
    .sort()
    .find((name) => /^(licen[sc]e|copying)(\.(txt|md|rst))?$/i.test(name));
  const textOf = (name: string | undefined): string | undefined =>
    name === undefined || !existsSync(join(root, name)) ? undefined : readFileSync(join(root, name), "utf8");
  return {
    name: basename(root),
    place: root,
    commit: head === undefined ? "none" : head.trim() + (changes === "" ? "" : "+"),
    licence: licenceOf(textOf(licence), textOf("pyproject.toml")),
    files: files.filter((file) => file.endsWith(".py") && isFile(file)).sort(),
    read: (file) => Promise.resolve(readFileSync(join(root, file))),
  };
}

async function openWheel(place: string): Promise<Repository> {
  const members = (await zipMemberNames(place)).sort();
  const read = async (member: string): Promise<Uint8Array> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of readZipMember(place, member)) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  const [name = "", version = "none"] = basename(place).split("-");
  const metadata = members.find((member) => /^[^/]+\.dist-info\/METADATA$/.test(member));
  const licence = members.find((member) => /\.dist-info\/(licenses\/)?LICEN[SC]E[^/]*$/i.test(member));
  const textOf = async (member: string | undefined): Promise<string | undefined> =>
    member === undefined ? undefined : Buffer.from(await read(member)).toString();
  return {
    name,
    place: resolve(place),
    commit: version,
    licence: licenceOf(await textOf(licence), await textOf(metadata)),
    files: members.filter((member) => member.endsWith(".py")),
    read,
  };
}

/** What git says of the folder; undefined where it is none of git's, or where git is missing. */
async function git(root: string, ...words: string[]): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)("git", ["-C", root, ...words], { maxBuffer: 2 ** 28 });
    return stdout;
  } catch {
    return undefined;
  }
}

function walk(root: string, folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return entry.name.startsWith(".") || LEFT_OUT.has(entry.name) ? [] : walk(root, path);
    return entry.isFile() ? [relative(root, path)] : [];
  });
}
