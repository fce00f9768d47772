// Runs every probe and holds what came out to the manual and, with --golden, to what another build of this
// program wrote: the emulator's models on one side, a device on the other.
//
//   PROGRAM [--write FILE] [--golden FILE] [--json]
//
// Exit codes: 0 all is as promised, 1 something differs, 2 wrong usage, 3 there is no device.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "host/runtime.h"
#include "probes.h"

namespace ibert::tests {

namespace {

using cuda::require;

struct NoDevice : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A stream, and words in its device's memory. It ends with the process.
class Bench {
 public:
  Bench() {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0)
      throw NoDevice(error == cudaSuccess ? "there is no device" : cuda::errorText(error));
    require(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
    require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    require(cudaMallocHost(reinterpret_cast<void**>(&host_), kMost * 4), "cudaMallocHost");
    for (uint32_t** memory : {&in_, &scratch_, &out_})
      require(cudaMalloc(reinterpret_cast<void**>(memory), kMost * 4), "cudaMalloc");
  }

  std::vector<uint32_t> run(const Probe& probe) {
    if (probe.input.size() > kMost || probe.expected.size() > kMost)
      throw std::logic_error("a probe is too large");
    const size_t inBytes = probe.input.size() * 4, outBytes = probe.expected.size() * 4;
    std::memcpy(host_, probe.input.data(), inBytes);
    require(cudaMemcpyAsync(in_, host_, inBytes, cudaMemcpyHostToDevice, stream), "a copy to the device");
    require(cudaMemsetAsync(scratch_, 0, kScratchWords * 4, stream), "cudaMemset");
    require(cudaMemsetAsync(out_, 0xfe, outBytes, stream), "cudaMemset");
    require(probe.run(stream, in_, scratch_, out_), "the launch");
    require(cudaMemcpyAsync(host_, out_, outBytes, cudaMemcpyDeviceToHost, stream), "a copy to the host");
    require(cudaStreamSynchronize(stream), "the kernel");
    return {host_, host_ + probe.expected.size()};
  }

  cudaDeviceProp properties{};
  cudaStream_t stream = nullptr;

 private:
  static constexpr size_t kMost = 1 << 16;
  uint32_t *host_ = nullptr, *in_ = nullptr, *scratch_ = nullptr, *out_ = nullptr;
};

// How words differ from others.
struct Difference {
  size_t count = 0;
  double worst = 0;   // of the allowed error; of what is only noted, the largest relative error
  std::string first;  // the first one
};

bool sameValue(uint32_t actual, uint32_t expected) {
  const float a = floatOf(actual), b = floatOf(expected);
  return a == b || (std::isnan(a) && std::isnan(b));
}

Difference compare(const Probe& probe, const std::vector<uint32_t>& actual,
                   const std::vector<uint32_t>& expected) {
  Difference result;
  if (actual.size() != expected.size()) return {actual.size(), HUGE_VAL, "another number of words"};
  for (size_t i = 0; i < actual.size(); ++i) {
    if (probe.rule == Rule::bits ? actual[i] == expected[i] : sameValue(actual[i], expected[i])) continue;
    const double error = std::fabs(double(floatOf(actual[i])) - floatOf(expected[i]));
    if (probe.rule == Rule::sums && error <= probe.allowed[i]) {
      result.worst = std::max(result.worst, error / probe.allowed[i]);
      continue;
    }
    if (probe.rule == Rule::noted && std::isfinite(error))
      result.worst = std::max(result.worst, error / std::fabs(floatOf(expected[i])));
    if (result.count++ > 0) continue;
    char text[96];
    std::snprintf(text, sizeof text, "word %zu is %08x (%.9g), expected %08x (%.9g)", i, unsigned(actual[i]),
                  floatOf(actual[i]), unsigned(expected[i]), floatOf(expected[i]));
    result.first = text;
  }
  return result;
}

using Golden = std::map<std::string, std::vector<uint32_t>>;

// A line a probe: its name, a colon, its words.
Golden readGolden(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  Golden golden;
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.rfind(':');
    if (colon == std::string::npos) throw std::runtime_error(path + " holds no words");
    std::istringstream words(line.substr(colon + 1));
    std::vector<uint32_t>& list = golden[line.substr(0, colon)];
    words >> std::hex;
    for (uint32_t word; words >> word;) list.push_back(word);
  }
  return golden;
}

void writeGolden(const std::string& path, const Golden& golden) {
  std::ofstream file(path);
  file << std::hex;
  for (const auto& [name, words] : golden) {
    file << name << ":";
    for (const uint32_t word : words) file << ' ' << word;
    file << '\n';
  }
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

const char* nameOf(Rule rule) {
  const char* names[] = {"bits", "values", "sums", "noted"};
  return names[int(rule)];
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c < 0x20 && c >= 0 ? ' ' : c;
  }
  return result + "\"";
}

std::string json(const Difference& difference) {
  char worst[32] = "null";
  if (std::isfinite(difference.worst)) std::snprintf(worst, sizeof worst, "%.4g", difference.worst);
  return "{\"words\": " + std::to_string(difference.count) + ", \"worst\": " + worst +
         ", \"first\": " + quoted(difference.first) + "}";
}

struct Options {
  std::string write, golden;
  bool json = false;
};

int run(const Options& options) {
  Bench bench;
  std::vector<Probe> probes;
  for (const auto& list : {matrixProbes(), copyProbes(), warpProbes(), conversionProbes()})
    probes.insert(probes.end(), list.begin(), list.end());
  const Golden golden = options.golden.empty() ? Golden{} : readGolden(options.golden);
  Golden written;
  bool ok = true;
  if (options.json)
    std::printf("{\"device\": %s, \"architecture\": \"sm_%d%d\", \"golden\": %s, \"probes\": [",
                quoted(bench.properties.name).c_str(), bench.properties.major, bench.properties.minor,
                options.golden.empty() ? "false" : "true");
  const char* comma = "";
  for (const Probe& probe : probes) {
    std::string failure;
    Difference manual, model;
    try {
      const std::vector<uint32_t> actual = written[probe.name] = bench.run(probe);
      manual = compare(probe, actual, probe.expected);
      if (!options.golden.empty()) {
        const auto found = golden.find(probe.name);
        model = compare(probe, actual, found == golden.end() ? std::vector<uint32_t>{} : found->second);
      }
    } catch (const std::exception& error) {
      failure = error.what();  // of a device that is lost, all others too
    }
    const bool good = failure.empty() && (probe.rule == Rule::noted || manual.count + model.count == 0);
    ok = ok && good;
    if (options.json) {
      std::printf(
          "%s\n  {\"probe\": %s, \"rule\": \"%s\", \"words\": %zu, \"ok\": %s, \"error\": %s, \"manual\": "
          "%s, \"model\": %s}",
          comma, quoted(probe.name).c_str(), nameOf(probe.rule), probe.expected.size(),
          good ? "true" : "false", quoted(failure).c_str(), json(manual).c_str(), json(model).c_str());
      comma = ",";
      continue;
    }
    std::printf("%s %-40s %-6s %5zu words", good ? "ok  " : "FAIL", probe.name.c_str(), nameOf(probe.rule),
                probe.expected.size());
    if (!failure.empty()) std::printf("\n       %s", failure.c_str());
    for (const auto& [difference, what] : {std::pair{manual, "the manual"}, {model, "the golden file"}}) {
      if (difference.count > 0)
        std::printf("\n       %zu differ from %s: %s", difference.count, what, difference.first.c_str());
      else if (difference.worst > 0)
        std::printf("\n       at most %.2g of the allowed error from %s", difference.worst, what);
    }
    std::printf("\n");
  }
  if (options.json) std::printf("]}\n");
  if (!options.write.empty()) writeGolden(options.write, written);
  return ok ? 0 : 1;
}

}  // namespace

}  // namespace ibert::tests

int main(int count, char** words) {
  ibert::tests::Options options;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--json") {
      options.json = true;
    } else if ((word == "--write" || word == "--golden") && i + 1 < count) {
      (word == "--write" ? options.write : options.golden) = words[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--write FILE] [--golden FILE] [--json]\n", words[0]);
      return 2;
    }
  }
  try {
    return ibert::tests::run(options);
  } catch (const ibert::tests::NoDevice& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 3;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
