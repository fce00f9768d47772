#include "options.h"

#include <cstdlib>
#include <vector>

#include "platform/environment.h"
#include "schema.h"

namespace ibert::tools {

namespace {

uint64_t number(const std::string& option, const std::string& word, uint64_t highest) {
  size_t end = 0;
  uint64_t value = 0;
  try {
    value = std::stoull(word, &end);
  } catch (const std::exception&) {
    end = 0;
  }
  if (end == 0 || end != word.size() || word[0] == '-' || value > highest) {
    throw UsageError(option + " takes a number up to " + std::to_string(highest) + ", not " + word);
  }
  return value;
}

Op opNamed(const std::string& name) {
  const Op op = opByName(name);
  if (op == Op::kCount) throw UsageError("there is no op " + name + "; `ibert-kernels list` shows all");
  return op;
}

Options::Command commandNamed(const std::string& name) {
  if (name == "list") return Options::Command::List;
  if (name == "test") return Options::Command::Test;
  if (name == "rows") return Options::Command::Rows;
  if (name == "grad") return Options::Command::Grad;
  if (name == "perf") return Options::Command::Perf;
  if (name == "step") return Options::Command::Step;
  throw UsageError("there is no command " + name +
                   "; the commands are list, test, rows, grad, perf and step");
}

// A size of `step` by its option; null for another option.
int64_t* sizeNamed(StepShape& shape, const std::string& option) {
  const std::pair<const char*, int64_t*> sizes[] = {{"--layers", &shape.layers},
                                                    {"--tokens", &shape.tokens},
                                                    {"--length", &shape.length},
                                                    {"--hidden", &shape.hidden},
                                                    {"--heads", &shape.heads},
                                                    {"--kv-heads", &shape.kvHeads},
                                                    {"--head-dim", &shape.headDim},
                                                    {"--rank", &shape.rank},
                                                    {"--intermediate", &shape.intermediate},
                                                    {"--vocabulary", &shape.vocabulary}};
  for (const auto& [name, size] : sizes)
    if (option == name) return size;
  return nullptr;
}

}  // namespace

Options parseOptions(int count, char** words) {
  Options options;
  const std::vector<std::string> list(words + 1, words + count);
  bool command = false;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string& word = list[i];
    const auto value = [&]() -> const std::string& {
      if (i + 1 == list.size()) throw UsageError(word + " takes a value");
      return list[++i];
    };
    if (word == "--help" || word == "-h") {
      options.help = true;
    } else if (word == "--json") {
      options.json = true;
    } else if (word == "--isas") {
      options.isas = true;
    } else if (word == "--backend") {
      options.backend = value();
    } else if (word == "--op") {
      options.op = opNamed(value());
    } else if (word == "--case") {
      options.filter = value();
    } else if (word == "--seed") {
      options.seed = number(word, value(), UINT64_MAX);
    } else if (word == "--threads") {
      options.threads = static_cast<int>(number(word, value(), 1024));
      if (options.threads == 0) throw UsageError("--threads counts from 1");
    } else if (word == "--repeat") {
      options.repeat = static_cast<int>(number(word, value(), 1000));
      if (options.repeat == 0) throw UsageError("--repeat counts from 1");
    } else if (word == "--every-schedule") {
      options.everySchedule = true;
    } else if (int64_t* size = sizeNamed(options.step, word)) {
      *size = static_cast<int64_t>(number(word, value(), 1 << 24));
      if (*size == 0 && word != "--rank" && word != "--vocabulary") throw UsageError(word + " counts from 1");
    } else if (word == "--all-targets") {
      options.step.allTargets = 1;
    } else if (word == "--against") {
      options.against = value();
    } else if (word == "--isa") {
      // The CPU backend reads its environment when a device opens.
      platform::setVariable("IBERT_CPU_ISA", value());
    } else if (word[0] == '-') {
      throw UsageError("there is no option " + word);
    } else if (command) {
      throw UsageError("one command at a time: " + word + " is one too many");
    } else {
      options.command = commandNamed(word);
      command = true;
    }
  }
  if (!command && !options.help) throw UsageError("which command?");
  return options;
}

const char* helpText() {
  return R"(ibert-kernels: lists, tests and measures the kernels of a backend.

usage: ibert-kernels COMMAND [options]

  list    every op: is it there, and which kernel was chosen (--isas: the instruction sets that this machine runs;
          --json: also the calls that every model makes)
  test    every op on random inputs and odd shapes, against the float64 reference
  rows    of the ops of a step of generation: a row has the same bits whatever rows go with it
  grad    every backward op against finite differences of its forward op as the float64 reference computes it: in
          float64 where the backend has it, else in f32 and in bf16, within the suite's bounds for these
  perf    time, GFLOP/s, GB/s and the share of what this machine can do, measured first, or by a GPU maker's figures
  step    a LoRA training step of a stack of decoder layers on synthetic weights, bf16: its parts' times, and each op's

  --backend NAME  cpu, or a library libibert-NAME beside this program, or a path to one
                  (default: cpu; grad: reference; list: both)
  --isa NAME      the CPU backend's instruction set, as IBERT_CPU_ISA
  --op NAME       this op only
  --case TEXT     only cases whose label holds TEXT
  --threads N     threads of the device (default 2; test compares with 1)
  --repeat N      test: runs of each case, which must give the same bits (default 2); step: steps that are timed, after
                  a first one
  --every-schedule
                  test: over an emulator, each case on each of its schedules (default: the runs of a case take turns)
  --seed N        seed of the random inputs (default 1)
  step: --layers 20 --tokens 4096 --length 4096 (of a sequence) --hidden 5120 --heads 32 --kv-heads 8 --head-dim 128
        --intermediate 32768 --vocabulary 131072 (0: no head) --rank 32 (0: none): Devstral Small's, but for the layers,
        of which it has 40; LoRA is on q, k, v, o, with --all-targets on gate, up, down too
  --against NAME  step: loss and norm of the gradient must be those on this backend
  --json          one JSON object on standard output
  --help

exit codes: 0 all is well, 1 a test failed, 2 wrong usage, 3 this machine or build cannot run what was asked for

examples: ibert-kernels test --backend cpu --isa avx2
          ibert-kernels perf --op loraLinearForward --threads 1
)";
}

}  // namespace ibert::tools
