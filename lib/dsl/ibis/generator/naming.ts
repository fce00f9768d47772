/** How warehouses spell the names of their tables and columns. */
import type { Random } from "../../../data/random.js";

export interface Naming {
  table(name: string): string;
  column(name: string): string;
}

const parts = (name: string): string[] => name.split("_");
const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
const camel = (name: string): string =>
  parts(name)
    .map((word, i) => (i === 0 ? word : capital(word)))
    .join("");
const pascal = (name: string): string => parts(name).map(capital).join("");
const spaced = (name: string): string => parts(name).map(capital).join(" ");

const SHORT: Readonly<Record<string, string>> = {
  account: "acct", amount: "amt", average: "avg", balance: "bal", category: "cat", customer: "cust", date: "dt",
  department: "dept", description: "desc", distance: "dist", employee: "emp", location: "loc", manager: "mgr",
  message: "msg", minutes: "min", number: "no", order: "ord", patient: "pat", payment: "pmt", price: "prc", product: "prod",
  quantity: "qty", region: "reg", seconds: "sec", session: "sess", station: "stn", status: "sts", student: "stu",
  temperature: "temp", transaction: "txn", vehicle: "veh", volume: "vol", warehouse: "wh", weight: "wt", year: "yr",
}; // prettier-ignore
const short = (name: string): string =>
  parts(name)
    .map((word) => SHORT[word] ?? word)
    .join("_");

const same = (name: string): string => name;
const SNAKE: Naming = { table: same, column: same };
const prefixed = (prefix: string): Naming => ({ table: (name) => prefix + name, column: same });

const NAMINGS: readonly (readonly [weight: number, naming: Naming])[] = [
  [60, SNAKE],
  [8, { table: same, column: camel }],
  [4, { table: pascal, column: camel }],
  [4, { table: pascal, column: pascal }],
  [3, { table: (name) => name.toUpperCase(), column: (name) => name.toUpperCase() }],
  [3, { table: pascal, column: spaced }],
  [8, { table: short, column: short }],
  [3, prefixed("stg_")],
  [3, prefixed("fct_")],
  [2, prefixed("raw_")],
  [2, { table: (name) => `tbl_${name}`, column: (name) => `c_${name}` }],
];

/** One spelling for a whole schema; simple schemas are all in snake case. */
export const randomNaming = (random: Random, simple: boolean): Naming =>
  simple ? SNAKE : random.weighted(NAMINGS);
