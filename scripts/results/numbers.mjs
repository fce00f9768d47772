// The numbers of a run, made of the scores that its evaluations left: shares with their 95 % intervals, differences by the
// paired bootstrap.

/** Answers of each subject of a file of scores, by id of the row. Texts are left out. */
async function scoresBySubject(path, readScores) {
  const subjects = new Map();
  for await (const { subject, score } of readScores(path)) {
    const { id, task, passed, holdsCode, exact, execution } = score;
    const lean = { id, task, holdsCode, exact, compiles: passed.compile };
    if (execution !== undefined) {
      const { equal, constantEqual, neighbours, killed } = execution;
      lean.execution = { equal, constantEqual, neighbours, killed };
    }
    subjects.set(subject, [...(subjects.get(subject) ?? []), lean]);
  }
  return subjects;
}

const round = (value) => Number(value.toFixed(4));

export class Numbers {
  /** @param tools `readScores`, `interval` and `pairedScores` of ibert */
  constructor(tools) {
    this.tools = tools;
  }

  #share(values) {
    const sum = values.reduce((total, value) => total + value, 0);
    return {
      rows: values.length,
      share: round(sum / Math.max(1, values.length)),
      interval: this.tools.interval(values).map(round),
    };
  }

  #metrics(scores) {
    const executed = scores.flatMap(({ execution }) => execution ?? []);
    const code = scores.filter(({ holdsCode }) => holdsCode);
    return {
      equal: this.#share(executed.map(({ equal }) => Number(equal))),
      constant: this.#share(executed.map(({ constantEqual }) => Number(constantEqual))).share,
      compiles: this.#share(code.map(({ compiles }) => Number(compiles))),
      exact: this.#share(scores.map(({ exact }) => Number(exact))),
    };
  }

  #byTask(scores) {
    const tasks = [...new Set(scores.map(({ task }) => task))].sort();
    const own = (task) => scores.filter((score) => score.task === task);
    return {
      all: this.#metrics(scores),
      tasks: Object.fromEntries(tasks.map((task) => [task, this.#metrics(own(task))])),
    };
  }

  /** `{ accuracy }` of the only subject of a file of scores. */
  async accuracyOf(path) {
    const [scores] = (await scoresBySubject(path, this.tools.readScores)).values();
    return { accuracy: this.#metrics(scores ?? []).equal.share };
  }

  /**
   * What each subject's answers are worth.
   * @param names of the subjects, in their order
   */
  async measured(path, names) {
    const subjects = await scoresBySubject(path, this.tools.readScores);
    return Object.fromEntries(names.map((name, i) => [name, this.#byTask(subjects.get(String(i)) ?? [])]));
  }

  /** How much better the second's answers are on the rows that both have, by task and in all; subjects as `[path, number]`. */
  async difference([firstPath, first], [secondPath, second]) {
    const earlier = (await scoresBySubject(firstPath, this.tools.readScores)).get(String(first)) ?? [];
    const later = (await scoresBySubject(secondPath, this.tools.readScores)).get(String(second)) ?? [];
    const paired = (own) => {
      const found = this.tools.pairedScores(earlier.filter(own), later.filter(own));
      if (found === undefined) return undefined;
      const { rows, difference, interval, p } = found;
      return { rows, difference: round(difference), interval: interval.map(round), p: round(p) };
    };
    const tasks = [...new Set(later.map(({ task }) => task))].sort();
    const byTask = tasks.map((task) => [task, paired((score) => score.task === task)]);
    return {
      all: paired(() => true),
      tasks: Object.fromEntries(byTask.filter(([, found]) => found !== undefined)),
    };
  }

  /** What became of the answers of a round of rejection sampling, by task. */
  async sampled(path) {
    const counts = {};
    for await (const { score } of this.tools.readScores(path)) {
      const own = (counts[score.task] ??= { sampled: 0, passed: 0 });
      own.sampled++;
      if (score.execution?.equal === true) own.passed++;
    }
    return counts;
  }
}
