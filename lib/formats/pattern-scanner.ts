/**
 * Cuts texts by a pattern in linear time, with the matches that a backtracking engine finds: a deterministic automaton,
 * made as far as texts need it, whose states are the threads of a backtracking engine in the order of their preference.
 */
import type { PatternProgram } from "./linear-pattern.js";

/** Called with each piece of a text in turn; what lies between two matches is a piece that is not `matched`. */
export type PieceVisitor = (start: number, end: number, matched: boolean) => void;

const DEAD = 0;
const START = 1;
/** The kind of the end of a text; no character has it. */
const END = 0;
const UNKNOWN = -1;

/** States kept; then all but the start are forgotten. */
const MOST_STATES = 2000;
/** Characters looked at beyond a match without a word for later matches. */
const SHORT_LOOK = 256;

export class PatternScanner {
  readonly #program: PatternProgram;
  /** Per code point, its kind, or 0 where it was not met yet: characters of one kind are in the same sets. */
  readonly #kinds = new Uint16Array(0x110000);
  readonly #kindOf = new Map<string, number>();
  /** Per kind, whether it is in each set. */
  readonly #members: boolean[][];
  /** Per state, its threads: instructions in the order of preference. */
  #threads: number[][] = [];
  #states = new Map<string, number>();
  /** Per state and kind: twice the next state, and one more where a match ends before the character. */
  #moves = new Int32Array(0);
  #width = 64;
  /** Per state, a bit for each place of the text from which that state leads to no match; absent where none is known. */
  #hopeless: Uint8Array[] | undefined;

  constructor(program: PatternProgram) {
    this.#program = program;
    this.#members = [program.sets.map(() => false)];
    this.#forget();
  }

  /** Calls `visit` for all of `text`, from left to right. A lone surrogate counts as U+FFFD. */
  scan(text: string, visit: PieceVisitor): void {
    this.#hopeless = undefined;
    const { length } = text;
    let unmatched = 0;
    for (let start = 0; start < length;) {
      const end = this.#match(text, start);
      if (end < 0) {
        start += (text.codePointAt(start) as number) > 0xffff ? 2 : 1;
        continue;
      }
      if (unmatched < start) visit(unmatched, start, false);
      visit(start, end, true);
      start = unmatched = end;
    }
    if (unmatched < length) visit(unmatched, length, false);
    this.#hopeless = undefined;
  }

  /** The end of the match that starts at `start`, or -1. */
  #match(text: string, start: number): number {
    const { length } = text;
    const kinds = this.#kinds;
    let end = -1;
    let state = START;
    let at = start;
    for (;;) {
      if (this.#hopeless !== undefined && this.#isHopeless(state, at)) return end;
      let kind = END;
      let width = 1;
      if (at < length) {
        let point = text.charCodeAt(at);
        if ((point & 0xf800) === 0xd800) {
          point = text.codePointAt(at) as number;
          if (point > 0xffff) width = 2;
          else point = 0xfffd;
        }
        kind = kinds[point] as number;
        if (kind === 0) kind = this.#classify(point);
      }
      let move = this.#moves[state * this.#width + kind] as number;
      if (move === UNKNOWN) move = this.#move(state, kind);
      if ((move & 1) === 1) end = at;
      state = move >> 1;
      if (state === DEAD) break;
      at += width;
    }
    if (at - Math.max(end, start) > SHORT_LOOK) this.#remember(text, start, end, at);
    return end;
  }

  #isHopeless(state: number, at: number): boolean {
    const bits = this.#hopeless?.[state];
    return bits !== undefined && (((bits[at >> 3] as number) >> (at & 7)) & 1) === 1;
  }

  /** Notes that what `#match` went through beyond its match leads nowhere, so that no later match goes there again. */
  #remember(text: string, start: number, end: number, last: number): void {
    const hopeless = (this.#hopeless ??= []);
    let state = START;
    for (let at = start; at <= last && state !== DEAD;) {
      if (at > end) {
        const bits = (hopeless[state] ??= new Uint8Array((text.length >> 3) + 1));
        bits[at >> 3] = (bits[at >> 3] as number) | (1 << (at & 7));
      }
      const point = at < text.length ? (text.codePointAt(at) as number) : undefined;
      const kind = point === undefined ? END : this.#classify((point & 0x1ff800) === 0xd800 ? 0xfffd : point);
      state = this.#move(state, kind) >> 1;
      // All states were forgotten on the way, and what is known of them.
      if (this.#hopeless !== hopeless) return;
      at += point !== undefined && point > 0xffff ? 2 : 1;
    }
  }

  #classify(point: number): number {
    const known = this.#kinds[point] as number;
    if (known !== 0) return known;
    const character = String.fromCodePoint(point);
    const members = this.#program.sets.map((set) => set.test(character));
    const key = members.map(Number).join("");
    let kind = this.#kindOf.get(key);
    if (kind === undefined) {
      kind = this.#members.push(members) - 1;
      this.#kindOf.set(key, kind);
      if (kind >= this.#width) this.#widen();
    }
    this.#kinds[point] = kind;
    return kind;
  }

  /** Gives every state room for more kinds. */
  #widen(): void {
    const [moves, width] = [this.#moves, this.#width];
    this.#width *= 2;
    this.#moves = new Int32Array(this.#width * (moves.length / width)).fill(UNKNOWN);
    for (let state = 0; state * width < moves.length; state++) {
      this.#moves.set(moves.subarray(state * width, (state + 1) * width), state * this.#width);
    }
  }

  #forget(): void {
    this.#threads = [];
    this.#states = new Map();
    this.#moves = new Int32Array(this.#width * 16).fill(UNKNOWN);
    this.#hopeless = undefined;
    this.#state([]);
    this.#state([this.#program.start]);
  }

  #state(threads: number[]): number {
    const key = threads.join();
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    if (this.#threads.length >= MOST_STATES) {
      this.#forget();
      return this.#state(threads);
    }
    const state = this.#threads.push(threads) - 1;
    this.#states.set(key, state);
    if (state * this.#width >= this.#moves.length) {
      const moves = new Int32Array(this.#moves.length * 2).fill(UNKNOWN);
      moves.set(this.#moves);
      this.#moves = moves;
    }
    return state;
  }

  /** Follows all threads of a state over one character, the preferred first; a match ends those that come after it. */
  #move(state: number, kind: number): number {
    const known = this.#moves[state * this.#width + kind] as number;
    if (known !== UNKNOWN) return known;
    const { instructions } = this.#program;
    const members = this.#members[kind] as boolean[];
    const next = new Set<number>();
    const seen = new Set<number>();
    const stack = (this.#threads[state] as number[]).toReversed();
    let matched = 0;
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      const instruction = instructions[at];
      if (instruction === undefined) continue;
      if (instruction.op === "match") {
        matched = 1;
        break;
      }
      if (instruction.op === "fork") stack.push(instruction.second, instruction.first);
      else if (instruction.op === "take") {
        if (members[instruction.set] === true) next.add(instruction.next);
      } else if ((members[instruction.set] === true) === instruction.wanted) stack.push(instruction.next);
    }
    const states = this.#states;
    const move = 2 * this.#state([...next]) + matched;
    if (this.#states === states) this.#moves[state * this.#width + kind] = move;
    return move;
  }
}
