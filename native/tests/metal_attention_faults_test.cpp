// The fast kernels of attention for Metal with known faults (metal_faults.cmake): each is caught under every
// schedule of the emulator, in float32 and in bf16, and the right ones raise no alarm and compute what a
// plain loop does.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "attention.h"
#include "check.h"
#include "emulator/settings.h"
#include "host/hardware.h"
#include "kernel.h"
#include "paged_attention.h"

namespace ibert::metal {

namespace {

using tests::expect;

constexpr const char* kWrong = "wrong result";
using Doubles = std::vector<double>;

uint16_t bf16Of(double value) {
  const float narrow = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &narrow, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
double valueOf(uint16_t bf16) {
  const uint32_t bits = uint32_t{bf16} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Numbers in (-1.5, 1.5), of which bf16 has all.
Doubles numbers(size_t count, uint32_t seed) {
  Doubles all(count);
  for (double& value : all) {
    seed = seed * 1664525 + 1013904223;
    value = valueOf(bf16Of(3.0 * (seed >> 8) / (1 << 24) - 1.5));
  }
  return all;
}

// Operands in memory of the device, and a kernel that runs on them.
class Device {
 public:
  Binding bf16(const Doubles& values, int64_t offset = 0) {
    std::vector<uint16_t> narrow;
    for (const double value : values) narrow.push_back(bf16Of(value));
    return bytes(narrow.data(), narrow.size() * sizeof narrow[0], offset);
  }
  Binding floats(const Doubles& values) {
    std::vector<float> narrow(values.begin(), values.end());
    return bytes(narrow.data(), narrow.size() * sizeof narrow[0], 0);
  }
  Binding integers(const std::vector<int32_t>& values) {
    return bytes(values.data(), values.size() * sizeof values[0], 0);
  }
  Doubles readBf16(Binding binding, size_t count) {
    std::vector<uint16_t> narrow(count);
    hardware_->read(narrow.data(), binding.buffer->address, static_cast<int64_t>(count * 2));
    Doubles values;
    for (const uint16_t value : narrow) values.push_back(valueOf(value));
    return values;
  }
  Doubles readFloats(Binding binding, size_t count) {
    std::vector<float> narrow(count);
    hardware_->read(narrow.data(), binding.buffer->address, static_cast<int64_t>(count * sizeof narrow[0]));
    return Doubles(narrow.begin(), narrow.end());
  }
  // What was found; nothing where all went well.
  template <class Parameters>
  std::string run(const char* kernel, TileType type, int64_t groups, int threads,
                  const std::vector<Binding>& bindings, const Parameters& parameters, int64_t memory) {
    const auto commands = queue_->commands();
    commands->dispatch({&hardware_->pipeline(kernel, type), bindings.data(),
                        static_cast<int>(bindings.size()), &parameters, sizeof parameters, memory, groups,
                        threads});
    commands->commit();
    return commands->finish();
  }

 private:
  Binding bytes(const void* from, size_t count, int64_t offset) {
    buffers_.push_back(hardware_->allocate(static_cast<int64_t>(count) + offset));
    GpuBuffer& buffer = *buffers_.back();
    hardware_->write(buffer.address + offset, from, static_cast<int64_t>(count));
    return {&buffer, offset};
  }

  std::shared_ptr<Hardware> hardware_ = openHardware(0);
  std::unique_ptr<Queue> queue_ = hardware_->queue();
  std::vector<std::unique_ptr<GpuBuffer>> buffers_;
};

// In bf16 weights and their gradients are rounded to eight bits before they are multiplied.
bool isClose(const Doubles& got, const Doubles& expected, TileType type = TileType::float32) {
  const double bound = type == TileType::bf16 ? 0.02 : 0.01;
  double squares = 0;
  for (const double value : expected) squares += value * value;
  const double typical = std::sqrt(squares / static_cast<double>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i)
    if (!(std::fabs(got[i] - expected[i]) <= bound * (typical + std::fabs(expected[i])))) return false;
  return true;
}

// Two sequences, of which the second begins within tiles and where a simdgroup's keys end; four heads of one
// kv head, so that a row's token is the last but one of a tile.
struct Attention {
  static constexpr int kT = 70, kSecond = 39, kHeads = 4;
  int D, columns = (kHeads + 2) * D;
  Doubles qkv = numbers(static_cast<size_t>(kT * columns), 1),
          dy = numbers(static_cast<size_t>(kT * kHeads * D), 2);
  Doubles y = Doubles(dy.size()), dqkv = Doubles(qkv.size());
  Doubles lse = Doubles(kT * kHeads), delta = lse;
  std::vector<int32_t> begins, offsets{0, kSecond, kT};
  double scale = 1 / std::sqrt(D);

  explicit Attention(int headDim) : D(headDim) {
    for (int t = 0; t < kT; ++t) begins.push_back(t < kSecond ? 0 : kSecond);
    for (int t = 0; t < kT; ++t)
      for (int head = 0; head < kHeads; ++head) attend(t, head);
  }
  const double* row(int t, int head) const { return &qkv[static_cast<size_t>(t * columns + head * D)]; }
  double* gradient(int t, int head) { return &dqkv[static_cast<size_t>(t * columns + head * D)]; }
  double dot(const double* a, const double* b) const {
    double sum = 0;
    for (int d = 0; d < D; ++d) sum += a[d] * b[d];
    return sum;
  }
  void attend(int t, int head) {
    const auto place = static_cast<size_t>(t * kHeads + head);
    const double* own = &dy[place * static_cast<size_t>(D)];
    double total = 0;
    Doubles p(kT);
    for (int j = begins[static_cast<size_t>(t)]; j <= t; ++j)
      total += p[static_cast<size_t>(j)] = std::exp(scale * dot(row(t, head), row(j, kHeads)));
    lse[place] = std::log(total);
    for (int j = begins[static_cast<size_t>(t)]; j <= t; ++j) {
      p[static_cast<size_t>(j)] /= total;
      const double* value = row(j, kHeads + 1);
      for (int d = 0; d < D; ++d)
        y[place * static_cast<size_t>(D) + static_cast<size_t>(d)] += p[static_cast<size_t>(j)] * value[d];
      delta[place] += p[static_cast<size_t>(j)] * dot(own, value);
    }
    for (int j = begins[static_cast<size_t>(t)]; j <= t; ++j) {
      const double weight = p[static_cast<size_t>(j)],
                   ds = scale * weight * (dot(own, row(j, kHeads + 1)) - delta[place]);
      for (int d = 0; d < D; ++d) {
        gradient(t, head)[d] += ds * row(j, kHeads)[d];
        gradient(j, kHeads)[d] += ds * row(t, head)[d];
        gradient(j, kHeads + 1)[d] += weight * own[d];
      }
    }
  }
  AttentionParameters parameters() const {
    AttentionParameters p{};
    p.at = {kHeads, 1, D};
    p.T = kT;
    p.S = static_cast<int64_t>(offsets.size());
    p.scale = static_cast<float>(scale);
    p.qkv = p.y = p.dy = p.dqkv = kBf16;
    p.aligned = 1;
    return p;
  }
  // dqkv of heads [first, last) of each row.
  Doubles part(const Doubles& all, int first, int last) const {
    Doubles result;
    for (int t = 0; t < kT; ++t)
      result.insert(result.end(), all.begin() + t * columns + first * D,
                    all.begin() + t * columns + last * D);
    return result;
  }
};

int bytesOf(TileType type) {
  return type == TileType::bf16 ? 2 : 4;
}

std::string tryForward(const Attention& all, const char* kernel, TileType type, int rows, int64_t offset) {
  Device device;
  const Binding y = device.bf16(Doubles(all.y.size())), lse = device.floats(Doubles(all.lse.size()));
  AttentionParameters p = all.parameters();
  p.aligned = offset == 0;
  const int64_t groups = (Attention::kT * Attention::kHeads + rows - 1) / rows;
  const std::string found = device.run(kernel, type, groups, kTileThreads,
                                       {device.bf16(all.qkv, offset), device.integers(all.offsets), y, lse},
                                       p, forwardBytes(all.D, rows, bytesOf(type)));
  if (!found.empty()) return found;
  const bool isRight = isClose(device.readBf16(y, all.y.size()), all.y, type) &&
                       isClose(device.readFloats(lse, all.lse.size()), all.lse);
  return isRight ? "" : kWrong;
}
const Attention& with64() {
  static const Attention all(64);
  return all;
}
std::string forward64(const char* kernel, TileType type) {
  return tryForward(with64(), kernel, type, kSomeQueries, 0);
}
std::string forwardMany(const char* kernel, TileType type) {
  return tryForward(with64(), kernel, type, kManyQueries, 0);
}
std::string forwardOdd(const char* kernel, TileType type) {
  return tryForward(with64(), kernel, type, kSomeQueries, 2);
}
std::string forward128(const char* kernel, TileType type) {
  static const Attention all(128);
  return tryForward(all, kernel, type, kSomeQueries, 0);
}

std::string tryBackward(const Attention& all, const char* kernel, TileType type, bool ofKeys) {
  Device device;
  const Binding dqkv = device.bf16(Doubles(all.dqkv.size()));
  std::vector<Binding> bindings{device.bf16(all.dy), device.bf16(all.qkv), device.floats(all.lse),
                                device.floats(all.delta), device.integers(all.begins)};
  if (ofKeys) bindings.push_back(device.integers(all.offsets));
  bindings.push_back(dqkv);
  const int bytes = bytesOf(type), rows = backwardRows(all.D, bytes),
            count = ofKeys ? Attention::kT : Attention::kT * Attention::kHeads;
  const std::string found =
      device.run(kernel, type, (count + rows - 1) / rows, kTileThreads, bindings, all.parameters(),
                 ofKeys ? keysBytes(all.D, bytes) : backwardBytes(all.D, bytes));
  if (!found.empty()) return found;
  const int first = ofKeys ? Attention::kHeads : 0, last = Attention::kHeads + (ofKeys ? 2 : 0);
  return isClose(all.part(device.readBf16(dqkv, all.dqkv.size()), first, last),
                 all.part(all.dqkv, first, last), type)
             ? ""
             : kWrong;
}
std::string keys(const char* kernel, TileType type) {
  return tryBackward(with64(), kernel, type, true);
}
std::string queries(const char* kernel, TileType type) {
  return tryBackward(with64(), kernel, type, false);
}

// A row at position 256, the first of a second chunk, over a cache of blocks of 64 places in descending
// order.
std::string tryPaged(const char* attend, const char* combine) {
  constexpr int kLast = 256, kW = 64, kBlocks = 6, kHeads = 3, D = 64;
  const Doubles qkv = numbers((kHeads + 2) * D, 3), k = numbers(kBlocks * kW * D, 4),
                v = numbers(kBlocks * kW * D, 5);
  const std::vector<int32_t> table{5, 4, 3, 2, 1, 0};
  const double scale = 1 / std::sqrt(D);
  Doubles expected(kHeads * D);
  for (int head = 0; head < kHeads; ++head) {
    double total = 0;
    Doubles sums(D);
    for (int j = 0; j <= kLast; ++j) {
      const auto at = static_cast<size_t>((table[static_cast<size_t>(j / kW)] * kW + j % kW) * D);
      double score = 0;
      for (size_t d = 0; d < D; ++d) score += qkv[static_cast<size_t>(head * D) + d] * k[at + d];
      const double weight = std::exp(scale * score);
      total += weight;
      for (size_t d = 0; d < D; ++d) sums[d] += weight * v[at + d];
    }
    for (size_t d = 0; d < D; ++d) expected[static_cast<size_t>(head * D) + d] = sums[d] / total;
  }
  PagedParameters p{};
  p.at = {kHeads, 1, D};
  p.T = p.S = 1;
  p.B = p.M = kBlocks;
  p.W = kW;
  p.scale = static_cast<float>(scale);
  p.qkv = p.kCache = p.vCache = p.y = kBf16;
  p.chunks = 2;
  p.headTiles = p.isSplit = p.qkvAligned = p.cacheAligned = 1;
  Device device;
  const Binding y = device.bf16(Doubles(expected.size())), sums = device.floats(Doubles(kHeads * 2 * D)),
                softmax = device.floats(Doubles(kHeads * 2 * 2)), position = device.integers({kLast});
  std::string found = device.run(attend, TileType::float32, p.chunks, kPagedThreads,
                                 {device.bf16(qkv), device.bf16(k), device.bf16(v), device.integers(table),
                                  device.integers({0}), position, y, sums, softmax},
                                 p, pagedBytes(D));
  if (found.empty())
    found = device.run(combine, TileType::float32, kHeads, 64, {sums, softmax, position, y}, p, 0);
  return !found.empty() ? found : isClose(device.readBf16(y, expected.size()), expected) ? "" : kWrong;
}
std::string paged(const char* kernel, TileType) {
  return tryPaged(kernel, "flashCombine");
}
std::string combined(const char* kernel, TileType) {
  return tryPaged("flashPaged64", kernel);
}

struct Trial {
  const char* kernel;
  const char* expected;  // a part of what is found
  std::string (*run)(const char* kernel, TileType type);
  bool inFloat32 = true, inBf16 = true;  // where it is a fault
};
const Trial kRight[] = {{"flashForward64", "", forward64},
                        {"flashForward64", "", forwardOdd},
                        {"flashForward64Many", "", forwardMany},
                        {"flashForward128", "", forward128},
                        {"flashKeys64", "", keys},
                        {"flashQueries64", "", queries},
                        {"flashPaged64", "", paged, true, false}};
const Trial kFaults[] = {
    {"noBarrierBeforeKeys", "of shared memory", forward64},
    {"noBarrierBehindKeys", "of shared memory", forward64},
    {"valuesOverKeys", "of shared memory", forward64},
    {"noBarrierBehindValues", "of shared memory", forward64},
    {"unorderedScores", "of shared memory", forward64},
    {"weightsOverScores", "of shared memory", forward64},
    {"anothersScores", "of shared memory", forward64},
    {"wrongMatrix", kWrong, forward64},
    {"nextToken", kWrong, forward64},
    {"unmaskedEdge", kWrong, forward64},
    {"skippedEdge", kWrong, forward64},
    {"noRescale", kWrong, forward64},
    {"unscaledMost", kWrong, forward64},
    {"anothersTotal", kWrong, forward64},
    {"halfASimdgroup", "simd_max", forward64},
#ifndef __clang__  // which reads the members of a vector one by one
    {"misalignedVector", "no multiple of the size", forwardOdd},
#endif
    {"rowsBehindTheLast", "out of bounds", forward64},
    {"noBarrierBeforeStep", "of shared memory", keys},
    {"noBarrierBehindStep", "of shared memory", keys},
    {"unorderedProducts", "of shared memory", keys},
    {"factorsOverScores", "of shared memory", keys, false},
    {"unorderedFactors", "of shared memory", keys},
    {"noDiagonal", kWrong, keys},
    {"earlierSequence", kWrong, keys},
    {"skippedQueries", kWrong, keys},
    {"wrongHalf", kWrong, keys},
    {"anothersWayOut", "of shared memory", keys},
    {"addedDelta", kWrong, queries},
    {"unorderedGradients", "of shared memory", queries},
    {"nextKey", kWrong, queries},
    {"wrongFactor", kWrong, queries},
    {"anothersParts", "of shared memory", paged, true, false},
    {"noLastPosition", kWrong, paged, true, false},
    {"lostChunk", kWrong, combined, true, false},
};

void tryAll(emulator::Schedule schedule, TileType type) {
  emulator::Settings settings;
  settings.schedule = schedule;
  emulator::setSettings(settings);
  const bool isBf16 = type == TileType::bf16;
  const std::string under = (isBf16 ? " in bf16 [" : " [") + emulator::describe(settings) + "]: ";
  for (const Trial& trial : kRight) {
    if (!(isBf16 ? trial.inBf16 : trial.inFloat32)) continue;
    const std::string found = trial.run(trial.kernel, type);
    expect(found.empty(), trial.kernel + under + "a false alarm: " + found);
  }
  for (const Trial& trial : kFaults) {
    if (!(isBf16 ? trial.inBf16 : trial.inFloat32)) continue;
    const std::string found = trial.run(trial.kernel, type);
    expect(found.find(trial.expected) != std::string::npos,
           trial.kernel + under + (found.empty() ? "was not noticed" : found));
  }
}

}  // namespace

}  // namespace ibert::metal

int main() {
  using ibert::emulator::Schedule;
  for (const Schedule schedule : {Schedule::lastFirst, Schedule::random, Schedule::priorities})
    for (const ibert::metal::TileType type : {ibert::metal::TileType::float32, ibert::metal::TileType::bf16})
      ibert::metal::tryAll(schedule, type);
  return ibert::tests::report();
}
