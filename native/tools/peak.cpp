#include "peak.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cpu/isa.h"
#include "host/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace ibert::tools {

namespace {

// Runs `rounds` of independent instructions and returns their FLOP. The sums go to `sink`, so that they are
// computed.
using Burn = double (*)(int64_t rounds, float* sink);

constexpr int kChains = 12;  // independent sums: more than latency times units of any of these machines

// The compiler must take `value` as changed: no sum may be hoisted or folded.
#define IBERT_OPAQUE(value, constraint) asm volatile("" : "+" constraint(value))

double burnScalar(int64_t rounds, float* sink) {
  float sum[kChains] = {}, a = 1.0001f;
  for (int64_t i = 0; i < rounds; ++i) {
    for (float& s : sum) s = s * a + a;
  }
  for (float s : sum) *sink += s;
  return 2.0 * kChains * static_cast<double>(rounds);
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) double burnAvx2(int64_t rounds, float* sink) {
  __m256 sum[kChains], a = _mm256_set1_ps(1e-3f);
  for (__m256& s : sum) s = a;
  for (int64_t i = 0; i < rounds; ++i) {
    IBERT_OPAQUE(a, "x");
    for (__m256& s : sum) s = _mm256_fmadd_ps(a, a, s);
  }
  for (const __m256& s : sum) *sink += _mm256_cvtss_f32(s);
  return 2.0 * 8 * kChains * static_cast<double>(rounds);
}

__attribute__((target("avx512f"))) double burnAvx512(int64_t rounds, float* sink) {
  __m512 sum[kChains], a = _mm512_set1_ps(1e-3f);
  for (__m512& s : sum) s = a;
  for (int64_t i = 0; i < rounds; ++i) {
    IBERT_OPAQUE(a, "v");
    for (__m512& s : sum) s = _mm512_fmadd_ps(a, a, s);
  }
  for (const __m512& s : sum) *sink += _mm512_cvtss_f32(s);
  return 2.0 * 16 * kChains * static_cast<double>(rounds);
}

__attribute__((target("avx512f,avx512bf16"))) double burnDot(int64_t rounds, float* sink) {
  __m512 sum[kChains];
  __m512i a = _mm512_set1_epi16(0x3C00);
  for (__m512& s : sum) s = _mm512_set1_ps(1e-3f);
  for (int64_t i = 0; i < rounds; ++i) {
    IBERT_OPAQUE(a, "v");
    for (__m512& s : sum) s = _mm512_dpbf16_ps(s, (__m512bh)a, (__m512bh)a);
  }
  for (const __m512& s : sum) *sink += _mm512_cvtss_f32(s);
  return 4.0 * 16 * kChains * static_cast<double>(rounds);
}

#if defined(__linux__)
// Four sums of 16 x 16 from two left and two right tiles of 16 rows of 32 values, as a matrix kernel has
// them.
__attribute__((target("amx-tile,amx-bf16"))) double burnAmx(int64_t rounds, float* sink) {
  struct alignas(64) {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t columnBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  alignas(64) float result[256];
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t i = 0; i < rounds; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, result, 64);
  *sink += result[0];
  _tile_release();
  return 4.0 * 2 * 16 * 16 * 32 * static_cast<double>(rounds);
}
#endif

#elif defined(__aarch64__)

double burnNeon(int64_t rounds, float* sink) {
  float32x4_t sum[kChains], a = vdupq_n_f32(1e-3f);
  for (float32x4_t& s : sum) s = a;
  for (int64_t i = 0; i < rounds; ++i) {
    IBERT_OPAQUE(a, "w");
    for (float32x4_t& s : sum) s = vfmaq_f32(s, a, a);
  }
  for (const float32x4_t& s : sum) *sink += vgetq_lane_f32(s, 0);
  return 2.0 * 4 * kChains * static_cast<double>(rounds);
}

#endif

constexpr const char* kByItsMaker = "by its maker's figures";
constexpr const char* kUnknown = "unknown";

double seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

// The best of some short loops.
double flopRate(host::ThreadPool& pool, Burn burn) {
  std::vector<float> sinks(pool.threads() * 16);
  double best = 0;
  for (int64_t rounds = 1 << 12, repeats = 0; repeats < 5;) {
    std::vector<double> flop(pool.threads());
    const auto start = std::chrono::steady_clock::now();
    pool.parallelFor(pool.threads(),
                     [&](int64_t task, int) { flop[task] = burn(rounds, &sinks[task * 16]); });
    const double time = seconds(std::chrono::steady_clock::now() - start);
    double sum = 0;
    for (double part : flop) sum += part;
    if (time < 0.02) {
      rounds *= 2;
    } else {
      best = std::max(best, sum / time);
      ++repeats;
    }
  }
  return best;
}

double readRate(host::ThreadPool& pool) {
  constexpr int64_t kWords = int64_t{48} << 20;  // 384 MiB: beyond any cache
  constexpr int64_t kPiece = 1 << 16;
  const std::vector<uint64_t> memory(kWords, 3);
  std::vector<uint64_t> sums(kWords / kPiece);
  double best = 0;
  for (int repeat = 0; repeat < 8; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    pool.parallelFor(kWords / kPiece, [&](int64_t task, int) {
      const uint64_t* words = memory.data() + task * kPiece;
      uint64_t sum[8] = {};
      for (int64_t i = 0; i < kPiece; i += 8) {
        for (int lane = 0; lane < 8; ++lane) sum[lane] += words[i + lane];
      }
      for (uint64_t part : sum) sums[task] += part;
    });
    best = std::max(best, kWords * 8 / seconds(std::chrono::steady_clock::now() - start));
  }
  return best;
}

#if defined(__x86_64__) && defined(__linux__)
// The system grants tiles on request, which this asks for.
bool hasAmx() {
  const std::vector<cpu::Isa> isas = cpu::runnableIsas();
  return std::find(isas.begin(), isas.end(), cpu::Isa::AmxBf16) != isas.end();
}
#endif

}  // namespace

Peak peakOf(const Session& session) {
  const DeviceInfo info = session.info();
  if (info.bf16FlopsPerSecond > 0)
    return {info.f32FlopsPerSecond, info.bf16FlopsPerSecond, info.bytesPerSecond, kByItsMaker, kByItsMaker};
  // A device without threads does not compute on the host, and this one's figures are not known.
  if (info.threads == 0) return {NAN, NAN, NAN, kUnknown, kUnknown};
  host::ThreadPool pool(info.threads);
  Peak peak{0, 0, readRate(pool), "scalar", "fp32"};
  Burn fp32 = burnScalar, bf16 = nullptr;
#if defined(__x86_64__)
  // The machine's units, whether or not this build has kernels for them.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    fp32 = burnAvx2, peak.fp32Unit = "avx2";
  if (__builtin_cpu_supports("avx512f")) fp32 = burnAvx512, peak.fp32Unit = "avx512";
  if (__builtin_cpu_supports("avx512bf16")) bf16 = burnDot, peak.bf16Unit = "avx512-bf16";
#if defined(__linux__)
  if (hasAmx()) bf16 = burnAmx, peak.bf16Unit = "amx-bf16";
#endif
#elif defined(__aarch64__)
  fp32 = burnNeon, peak.fp32Unit = "neon";
#endif
  peak.fp32 = flopRate(pool, fp32);
  // Where the dot product is the slower unit, nobody would use it.
  peak.bf16 = bf16 ? std::max(flopRate(pool, bf16), peak.fp32) : peak.fp32;
  return peak;
}

}  // namespace ibert::tools
