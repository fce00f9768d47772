// Copies, barriers, blocks that wait for each other, shuffles, votes and conversions.
#include <bit>
#include <cmath>
#include <cstring>

#include "probes.h"

namespace ibert::tests {

uint32_t wordOf(float value) {
  return std::bit_cast<uint32_t>(value);
}
float floatOf(uint32_t word) {
  return std::bit_cast<float>(word);
}

std::vector<uint32_t> randomWords(size_t count, uint64_t seed) {
  Numbers numbers(seed);
  std::vector<uint32_t> words(count);
  for (uint32_t& word : words) word = numbers.word();
  return words;
}

uint16_t Narrow::encode(double value) const {
  const int exponents = highest - lowest + 2;  // that of infinity
  if (std::isnan(value)) return 0x7fff;
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double size = std::fabs(value);
  const auto infinity = static_cast<uint16_t>(sign | exponents << mantissa);
  if (std::isinf(size)) return infinity;
  if (size == 0) return sign;
  const int exponent = std::max(std::ilogb(size), lowest);
  const double units = std::nearbyint(std::ldexp(size, mantissa - exponent));
  // A mantissa that rounds up to 2 carries into the exponent by itself.
  const auto bits = static_cast<int64_t>(units) + (int64_t(exponent - lowest) << mantissa);
  return bits >= int64_t(exponents) << mantissa ? infinity : static_cast<uint16_t>(sign | bits);
}

double Narrow::decode(uint16_t bits) const {
  const int exponent = (bits & 0x7fff) >> mantissa, rest = bits & ((1 << mantissa) - 1);
  double size;
  if (exponent == highest - lowest + 2)
    size = rest ? NAN : HUGE_VAL;
  else
    size = std::ldexp(exponent ? rest + (1 << mantissa) : rest,
                      lowest - mantissa + (exponent ? exponent - 1 : 0));
  return bits & 0x8000 ? -size : size;
}

namespace {

using Run = std::function<cudaError_t(cudaStream_t, ConstWords, Words, Words)>;

Probe copies(int bytes, bool partly) {
  Probe probe{"cp.async " + std::to_string(bytes) + (partly ? ", filled up with zeroes" : ""),
              Rule::bits,
              {},
              {},
              {},
              {}};
  probe.input = randomWords(kCopyThreads * 4, 31);
  for (unsigned t = 0; t < kCopyThreads; ++t) {
    const unsigned from = t ^ 1, given = partly ? from % unsigned(bytes + 1) : unsigned(bytes);
    uint32_t words[4] = {kBefore, kBefore, kBefore, kBefore};
    std::memset(words, 0, size_t(bytes));
    std::memcpy(words, &probe.input[from * 4], given);
    probe.expected.insert(probe.expected.end(), words, words + 4);
  }
  probe.run = [=](cudaStream_t stream, ConstWords in, Words, Words out) {
    return runCopies(stream, bytes, partly, in, out);
  };
  return probe;
}

Probe copyGroups() {
  const std::vector<uint32_t> words = randomWords(3 * kCopyThreads * 4, 32);
  return {
      "cp.async.wait_group",
      Rule::bits,
      words,
      words,
      {},
      [](cudaStream_t stream, ConstWords in, Words, Words out) { return runCopyGroups(stream, in, out); }};
}

Probe relay() {
  Probe probe{"bar.sync and bar.arrive", Rule::bits, randomWords(kRounds * 32, 41), {}, {}, {}};
  for (unsigned i = 0; i < kRounds * 32; ++i)
    probe.expected.push_back(probe.input[i / 32 * 32 + 31 - i % 32]);
  probe.run = [](cudaStream_t stream, ConstWords in, Words, Words out) { return runRelay(stream, in, out); };
  return probe;
}

Probe pairs() {
  Probe probe{"bar.sync of some warps", Rule::bits, randomWords(kPairThreads, 42), {}, {}, {}};
  for (unsigned t = 0; t < kPairThreads; ++t) probe.expected.push_back(probe.input[t ^ 32]);
  probe.run = [](cudaStream_t stream, ConstWords in, Words, Words out) { return runPairs(stream, in, out); };
  return probe;
}

// `input`: one thread of many says yes to the first question, all but one to the second, some to the third.
Probe blockVotes(const std::string& name, uint32_t yes, uint32_t odd) {
  Probe probe{
      "barriers that reduce, " + name, Rule::bits, std::vector<uint32_t>(kVoteThreads, yes), {}, {}, {}};
  probe.input[70] = odd;
  uint32_t any = 0, all = 2, count = 0;
  for (const uint32_t word : probe.input) {
    any |= word & 1;
    all &= word;
    count += (word & 4) != 0;
  }
  for (unsigned t = 0; t < kVoteThreads; ++t)
    for (const uint32_t word : {any, all / 2, count}) probe.expected.push_back(word);
  probe.run = [](cudaStream_t stream, ConstWords in, Words, Words out) {
    return runBlockVotes(stream, in, out);
  };
  return probe;
}

Probe lastBlock() {
  Probe probe{"signalBlocks: the last one adds up", Rule::bits, randomWords(kBlocks * 32, 43), {0}, {}, {}};
  for (const uint32_t word : probe.input) probe.expected[0] += word;
  for (unsigned b = 0; b < kBlocks; ++b) probe.expected.push_back(b);
  probe.run = [](cudaStream_t stream, ConstWords in, Words scratch, Words out) {
    return runLastBlock(stream, in, scratch, scratch + kCounters, out);
  };
  return probe;
}

Probe chain() {
  Probe probe{"waitForBlocks: from each to the next", Rule::bits, randomWords(kBlocks, 44), {}, {}, {}};
  uint32_t sum = 0;
  for (const uint32_t word : probe.input) probe.expected.push_back(sum += word);
  probe.run = [](cudaStream_t stream, ConstWords in, Words scratch, Words out) {
    return runChain(stream, in, scratch, out);
  };
  return probe;
}

Probe shuffles() {
  Probe probe{"shuffles and votes of a warp", Rule::bits, randomWords(32, 45), {}, {}, {}};
  const std::vector<uint32_t>& in = probe.input;
  uint32_t ballot = 0;
  for (unsigned lane = 0; lane < 32; ++lane) ballot |= uint32_t((in[lane] & 8) != 0) << lane;
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned from = in[lane] % 41;
    const auto give = [&](uint32_t word) { probe.expected.push_back(word); };
    give(in[from % 32]);
    give(in[lane / 16 * 16 + from % 16]);
    give(in[lane / 8 * 8 + 3]);
    for (int i = 0; i < 5; ++i) give(in[lane ^ (1u << i)]);
    // A lane of an earlier segment may be read, one of a later one not.
    give(in[(lane ^ 9) / 8 > lane / 8 ? lane : lane ^ 9]);
    give(in[lane + 5 < 32 ? lane + 5 : lane]);
    give(in[lane % 8 + 3 < 8 ? lane + 3 : lane]);
    give(in[lane >= 5 ? lane - 5 : lane]);
    give(in[lane % 8 >= 3 ? lane - 3 : lane]);
    give(in[lane ^ 7] & 0x3fffffff);
    give(in[lane ^ 21]);
    give(~in[lane ^ 21]);
    give(ballot);
    give(1);
    give(1);
    give(in[lane < 16 ? lane ^ 11 : lane ^ 6]);
  }
  probe.run = [](cudaStream_t stream, ConstWords in, Words, Words out) {
    return runShuffles(stream, in, out);
  };
  return probe;
}

// Around every boundary of both 16-bit formats, and numbers of any size.
std::vector<uint32_t> floats() {
  std::vector<uint32_t> words;
  for (const uint32_t sign : {0u, 0x80000000u}) {
    for (const uint32_t word :
         {0x00000000u, 0x00000001u, 0x00007fffu, 0x00008000u, 0x00008001u, 0x007fffffu, 0x00800000u,
          0x00ffffffu, 0x33000000u, 0x33000001u, 0x33800000u, 0x337fffffu, 0x387fdfffu, 0x387fe000u,
          0x387fffffu, 0x38800000u, 0x3f800000u, 0x3f800fffu, 0x3f801000u, 0x3f801001u, 0x3f807fffu,
          0x3f808000u, 0x3f808001u, 0x3f803000u, 0x3f818000u, 0x477fe000u, 0x477fefffu, 0x477ff000u,
          0x47800000u, 0x7f7f0000u, 0x7f7f7fffu, 0x7f7f8000u, 0x7f7fffffu, 0x7f800000u, 0x7f800001u,
          0x7fc00000u, 0x7fffffffu})
      words.push_back(word | sign);
  }
  for (const uint32_t word : randomWords(512, 51)) words.push_back(word);
  for (const uint32_t word : randomWords(512, 52)) words.push_back((word & 0x8fffffff) | 0x30000000);
  return words;
}

Probe narrow() {
  Probe probe{"float32 to bf16 and f16", Rule::bits, floats(), {}, {}, {}};
  for (const uint32_t word : probe.input)
    probe.expected.push_back(kBfloat16.encode(floatOf(word)) | uint32_t(kHalf.encode(floatOf(word))) << 16);
  const int count = int(probe.input.size());
  probe.run = [=](cudaStream_t stream, ConstWords in, Words, Words out) {
    return runNarrow(stream, count, in, out);
  };
  return probe;
}

Probe widen() {
  Probe probe{"bf16 and f16 to float32", Rule::values, {}, {}, {}, {}};
  for (uint32_t bits = 0; bits < 1 << 16; bits += bits % 1024 < 16 ? 1 : 61) probe.input.push_back(bits);
  for (const uint32_t bits : probe.input) {
    probe.expected.push_back(wordOf(float(kBfloat16.decode(uint16_t(bits)))));
    probe.expected.push_back(wordOf(float(kHalf.decode(uint16_t(bits)))));
  }
  const int count = int(probe.input.size());
  probe.run = [=](cudaStream_t stream, ConstWords in, Words, Words out) {
    return runWiden(stream, count, in, out);
  };
  return probe;
}

Probe approximations() {
  Probe probe{"rsqrtf, __expf, __logf, __fdividef", Rule::noted, {}, {}, {}, {}};
  Numbers numbers(53);
  for (int i = 0; i < 256; ++i) probe.input.push_back(wordOf(float(std::exp2(numbers.between(-6, 6)))));
  for (const uint32_t word : probe.input) {
    const double x = floatOf(word);
    for (const double y : {1 / std::sqrt(x), std::exp(x), std::log(x), 1 / x})
      probe.expected.push_back(wordOf(float(y)));
  }
  probe.run = [](cudaStream_t stream, ConstWords in, Words, Words out) {
    return runApproximations(stream, 256, in, out);
  };
  return probe;
}

}  // namespace

std::vector<Probe> copyProbes() {
  std::vector<Probe> probes;
  for (const bool partly : {false, true})
    for (const int bytes : {4, 8, 16}) probes.push_back(copies(bytes, partly));
  probes.push_back(copyGroups());
  return probes;
}

std::vector<Probe> warpProbes() {
  return {relay(), pairs(),   blockVotes("no and yes", 2, 1), blockVotes("yes and no", 7, 0), lastBlock(),
          chain(), shuffles()};
}

std::vector<Probe> conversionProbes() {
  return {narrow(), widen(), approximations()};
}

}  // namespace ibert::tests
