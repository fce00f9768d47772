// Cards by architecture and by name, with the figures of their makers' data sheets: dense, bf16 with sums in
// float32.
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "gpu.h"

namespace ibert::cuda {

namespace {

constexpr double kTera = 1e12, kGiga = 1e9;
constexpr int64_t kGiB = int64_t{1} << 30;
constexpr int64_t kLargeShared = 227 << 10, kA100Shared = 163 << 10, kSmallShared = 99 << 10;

struct Card {
  const char* architecture;  // that it is the planned card of; null: none
  const char* name;          // part of the name that the driver gives
  Machine machine;
  int64_t bytes;
  double bf16, f32, bandwidth;
};

// Of names that contain each other the longer one first.
constexpr Card kCards[] = {
    {"sm_80", "A100-SXM4-80GB", {80, 108, kA100Shared}, 80 * kGiB, 312 * kTera, 19.5 * kTera, 2039 * kGiga},
    {nullptr, "A100", {80, 108, kA100Shared}, 40 * kGiB, 312 * kTera, 19.5 * kTera, 1555 * kGiga},
    {"sm_86", "RTX 3090", {86, 82, kSmallShared}, 24 * kGiB, 71 * kTera, 35.6 * kTera, 936 * kGiga},
    {"sm_89", "RTX 4090", {89, 128, kSmallShared}, 24 * kGiB, 165.2 * kTera, 82.6 * kTera, 1008 * kGiga},
    {nullptr, "L40S", {89, 142, kSmallShared}, 48 * kGiB, 362 * kTera, 91.6 * kTera, 864 * kGiga},
    {nullptr, "H200", {90, 132, kLargeShared}, 141 * kGiB, 989.4 * kTera, 66.9 * kTera, 4800 * kGiga},
    {nullptr, "H100 PCIe", {90, 114, kLargeShared}, 80 * kGiB, 756 * kTera, 51.2 * kTera, 2039 * kGiga},
    {"sm_90",
     "H100 80GB HBM3",
     {90, 132, kLargeShared},
     80 * kGiB,
     989.4 * kTera,
     66.9 * kTera,
     3350 * kGiga},
    {"sm_90a",
     "H100 80GB HBM3",
     {90, 132, kLargeShared},
     80 * kGiB,
     989.4 * kTera,
     66.9 * kTera,
     3350 * kGiga},
    {"sm_100", "B200", {100, 148, kLargeShared}, 180 * kGiB, 2250 * kTera, 75 * kTera, 7700 * kGiga},
    {"sm_120", "RTX 5090", {120, 170, kSmallShared}, 32 * kGiB, 209.5 * kTera, 104.8 * kTera, 1792 * kGiga},
};

// What contexts and the driver keep for themselves.
constexpr int64_t kTaken = kGiB;

}  // namespace

Gpu plannedGpu(const std::string& architecture) {
  std::string known;
  for (const Card& card : kCards) {
    if (card.architecture == nullptr) continue;
    known += (known.empty() ? "" : ", ") + std::string(card.architecture);
    if (architecture != card.architecture) continue;
    Gpu gpu;
    gpu.planned = true;
    gpu.machine = card.machine;
    std::snprintf(gpu.info.name, sizeof gpu.info.name, "NVIDIA %s (planned)", card.name);
    std::snprintf(gpu.info.architecture, sizeof gpu.info.architecture, "%s", card.architecture);
    gpu.info.memoryBytes = gpu.info.maxBufferBytes = card.bytes;
    gpu.info.availableBytes = card.bytes - kTaken;
    gpu.info.roundsRows = 1;
    setPeaks(gpu.info);
    return gpu;
  }
  throw std::runtime_error("no device " + architecture + " can be planned for; known: " + known);
}

void setPeaks(DeviceInfo& info) {
  for (const Card& card : kCards) {
    if (std::strstr(info.name, card.name) == nullptr) continue;
    info.bf16FlopsPerSecond = card.bf16;
    info.f32FlopsPerSecond = card.f32;
    info.bytesPerSecond = card.bandwidth;
    return;
  }
}

}  // namespace ibert::cuda
