// Each fault that is put into loraLinearForward's tiles (metal_faults.cmake) is caught under every schedule,
// in float32 and in bf16, and the right kernels raise no alarm.
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "check.h"
#include "emulator/settings.h"
#include "host/hardware.h"
#include "lora_linear.h"
#include "tiles.h"

namespace ibert::metal {

namespace {

using tests::expect;

// No multiple of a tile: rows, depth and columns that end within one, and a rank of more than one step.
constexpr int64_t kT = 5, kK = 76, kN = 100, kRank = 69, kPadded = 72;
constexpr float kScale = 0.5f;
constexpr const char* kWrong = "wrong result";

// Whole numbers, of which all sums are exact.
std::vector<float> values(int64_t count, uint64_t seed) {
  std::vector<float> all(static_cast<size_t>(count));
  for (uint64_t i = 0; i < all.size(); ++i)
    all[i] = static_cast<float>(static_cast<int>((i + seed) * 2654435761u >> 7 & 7) - 3);
  return all;
}

// To bf16, to nearest even.
float rounded(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return std::bit_cast<float>((bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u);
}

struct Fixture {
  std::shared_ptr<Hardware> hardware = openHardware(0);
  std::unique_ptr<Queue> queue = hardware->queue();
  std::vector<float> x = values(kT * kK, 0), weight = values(kN * kK, 1000), A = values(kRank * kK, 2000),
                     B = values(kN * kRank, 3000);
  std::vector<std::unique_ptr<GpuBuffer>> buffers;

  Binding bind(const std::vector<float>& values) {
    const auto bytes = static_cast<int64_t>(values.size() * sizeof(float));
    buffers.push_back(hardware->allocate(bytes));
    hardware->write(buffers.back()->address, values.data(), bytes);
    return {buffers.back().get(), 0};
  }

  // With whole numbers all is exact in bf16 too, but for x A^T, which is rounded to it.
  float expected(int64_t t, int64_t n, TileType type) const {
    const auto kept = [&](float value) { return type == TileType::bf16 ? rounded(value) : value; };
    const auto dot = [](const float* a, const float* b, int64_t count) {
      float sum = 0;
      for (int64_t k = 0; k < count; ++k) sum += a[k] * b[k];
      return sum;
    };
    float low = 0;
    for (int64_t j = 0; j < kRank; ++j)
      low += kept(kScale * dot(&x[t * kK], &A[j * kK], kK)) * B[n * kRank + j];
    return dot(&x[t * kK], &weight[n * kK], kK) + low;
  }

  // What is wrong with y; empty for nothing.
  std::string run(const char* kernel, TileType type) {
    LinearParameters p{};
    p.T = kT, p.N = kN, p.K = kK, p.P = 1, p.R = p.r = kRank;
    p.segmentCount = 1;
    p.ends[0] = kN;
    p.scale = kScale;
    p.hasLora = 1;
    p.x = p.weight = p.A = p.B = p.y = kF32;
    p.aligned = kAlignedX | kAlignedWeight | kAlignedA | kAlignedB;
    p.span = 2;
    p.padded = p.lowColumns = kPadded;
    const Binding absent{nullptr, 0};
    const Binding y = bind(std::vector<float>(kT * kN));
    const Binding bindings[] = {bind(x), bind(weight), bind(A), bind(B), absent, absent, absent, y, absent};
    const int64_t memory = (FewRows::kFloats + FewRows::kRows * (kPadded + kTilePad)) * 4;
    const auto commands = queue->commands();
    commands->dispatch({&hardware->pipeline(kernel, type), bindings, 9, &p, sizeof p, memory, 1, 128});
    commands->commit();
    const std::string error = commands->finish();
    if (!error.empty()) return error;
    std::vector<float> got(kT * kN);
    hardware->read(got.data(), y.buffer->address, y.buffer->bytes);
    for (int64_t i = 0; i < kT * kN; ++i)
      if (got[i] != expected(i / kN, i % kN, type)) return kWrong;
    return "";
  }
};

struct Fault {
  const char *name, *expected, *what;
};
constexpr Fault kFaults[] = {
    {"linearForwardFew", "", "the right kernel"},
    {"unfilled", "of shared memory", "no barrier between a step's writes and its products"},
    {"overwritten", "of shared memory", "a step that is written over while others use it"},
    {"exchanged", kWrong, "a factor that is not transposed"},
    {"fragment", kWrong, "the matrix of another column"},
    {"diverging", "lanes of a warp diverge", "a product of the lanes whose rows are there"},
    {"depth", "", "a last step that goes on into the next row"},
    {"unordered", "of shared memory", "sums that are read before they are there"},
    {"unscaled", kWrong, "no scale"},
    {"uncleared", "", "sums that begin with others"},
    {"rank", "", "a last step of the rank that goes on behind B"},
    {"columns", kWrong, "the first columns of x A^T for the next"},
};

void tryAll() {
  for (const auto schedule :
       {emulator::Schedule::lastFirst, emulator::Schedule::random, emulator::Schedule::priorities}) {
    emulator::Settings settings;
    settings.schedule = schedule;
    emulator::setSettings(settings);
    for (const TileType type : {TileType::float32, TileType::bf16}) {
      for (const Fault& fault : kFaults) {
        const std::string found = Fixture().run(fault.name, type);
        const std::string what = std::string(fault.what) + (type == TileType::bf16 ? " in bf16" : "") + " [" +
                                 emulator::describe(settings) + "]: ";
        if (&fault == kFaults)
          expect(found.empty(), what + "a false alarm: " + found);
        else
          expect(!found.empty() && found.find(fault.expected) != std::string::npos,
                 what + (found.empty() ? "was not noticed" : found));
      }
    }
  }
}

}  // namespace

}  // namespace ibert::metal

int main() {
  ibert::metal::tryAll();
  return ibert::tests::report();
}
