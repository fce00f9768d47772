/** How a corpus is written, in numbers, beside rows of human origin: lengths, vocabulary, shares of forms. */

/** One text of a row. */
export interface TextForms {
  /** "SQL" */
  language: string;
  /** Characters. */
  length: number;
  words: string[];
  /** The forms that it has. */
  forms: string[];
}

export interface Naturalness {
  texts: number;
  /** Characters. */
  meanLength: number;
  medianLength: number;
  words: number;
  /** Different words. */
  vocabulary: number;
  /** Share of the texts that have a form, 0 to 1. */
  forms: Record<string, number>;
}

class Tally {
  private readonly lengths = new Map<number, number>();
  private readonly vocabulary = new Set<string>();
  private readonly forms = new Map<string, number>();
  private texts = 0;
  private words = 0;

  add({ length, words, forms }: TextForms): void {
    this.texts++;
    this.words += words.length;
    this.lengths.set(length, (this.lengths.get(length) ?? 0) + 1);
    for (const word of words) this.vocabulary.add(word);
    for (const form of forms) this.forms.set(form, (this.forms.get(form) ?? 0) + 1);
  }

  report(): Naturalness {
    const lengths = [...this.lengths].sort(([a], [b]) => a - b);
    const total = lengths.reduce((sum, [length, count]) => sum + length * count, 0);
    let before = 0;
    const median = lengths.find(([, count]) => (before += count) >= this.texts / 2)?.[0] ?? 0;
    return {
      texts: this.texts,
      meanLength: total / this.texts,
      medianLength: median,
      words: this.words,
      vocabulary: this.vocabulary.size,
      forms: Object.fromEntries([...this.forms].map(([form, count]) => [form, count / this.texts])),
    };
  }
}

/** Gathers texts by language and by group, such as a split. Memory is that of the words which differ. */
export class NaturalnessCounter {
  private readonly tallies = new Map<string, Map<string, Tally>>();

  add(group: string, text: TextForms): void {
    const own = this.tallies.get(text.language) ?? new Map<string, Tally>();
    this.tallies.set(text.language, own);
    const tally = own.get(group) ?? new Tally();
    own.set(group, tally);
    tally.add(text);
  }

  /** language → group → numbers */
  report(): Record<string, Record<string, Naturalness>> {
    return Object.fromEntries(
      [...this.tallies].map(([language, groups]) => [
        language,
        Object.fromEntries([...groups].map(([group, tally]) => [group, tally.report()])),
      ]),
    );
  }
}
