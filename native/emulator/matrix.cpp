// ldmatrix and mma.sync: the last lane of a warp computes for all; and arithmetic on pairs of bf16.
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "emulator/access_path.h"
#include "emulator/cuda_types.h"
#include "emulator/instructions.h"
#include "emulator/meeting.h"
#include "emulator/shared_window.h"
#include "emulator/whole_warp.h"

namespace ibert::emulator {

namespace {

struct LdmatrixOperand {
  uint32_t* registers;
  uint32_t row;
  unsigned count;
  bool transposed;
};

struct MmaOperand {
  float* d;
  const uint32_t* a;
  uint32_t b[2];
  bool isBfloat16;
};

[[noreturn]] void disagree(const char* what) {
  launchNow->fail("the lanes of a warp disagree about the kind of ", what);
}

// As a lane that receives part of a row reads it.
void readRow(Thread& lane, const char* row, const void* code) {
  Thread* self = current;
  current = &lane;
  if (!isPlainRead<16>(row)) checkUncounted(row, 16, code);
  current = self;
}

// The products are a quarter of all that the suite does, and their indices are fixed: sanitizers would cost
// time here and find nothing.
#define IBERT_UNSANITIZED __attribute__((no_sanitize("address", "undefined")))

template <bool kBfloat16>
IBERT_UNSANITIZED inline float element(uint32_t word, unsigned half) {
  if constexpr (kBfloat16) return __builtin_bit_cast(float, half ? word & 0xffff0000u : word << 16);
  return fromHalf(uint16_t(half ? word >> 16 : word));
}

template <bool kBfloat16>
IBERT_UNSANITIZED void multiply(const Warp& warp) {
  float a[16][16], b[16][8], d[16][8];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const auto& operand = *static_cast<const MmaOperand*>(warp.operands[lane]);
    const unsigned group = lane / 4, place = lane % 4 * 2;
    for (unsigned r = 0; r < 4; ++r)
      for (unsigned half = 0; half < 2; ++half)
        a[group + 8 * (r & 1)][place + 8 * (r >> 1) + half] = element<kBfloat16>(operand.a[r], half);
    for (unsigned r = 0; r < 2; ++r)
      for (unsigned half = 0; half < 2; ++half)
        b[place + 8 * r + half][group] = element<kBfloat16>(operand.b[r], half);
    for (unsigned r = 0; r < 4; ++r) d[group + 8 * (r >> 1)][place + (r & 1)] = operand.d[r];
  }
  for (unsigned i = 0; i < 16; ++i) {
    float sum[8];
    std::memcpy(sum, d[i], sizeof sum);
    for (unsigned k = 0; k < 16; ++k)
      for (unsigned j = 0; j < 8; ++j) sum[j] += a[i][k] * b[k][j];
    std::memcpy(d[i], sum, sizeof sum);
  }
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    float* out = static_cast<const MmaOperand*>(warp.operands[lane])->d;
    const unsigned group = lane / 4, place = lane % 4 * 2;
    for (unsigned r = 0; r < 4; ++r) out[r] = d[group + 8 * (r >> 1)][place + (r & 1)];
  }
}

uint32_t fmaOne(uint32_t a, uint32_t b, uint32_t c) {
  const auto value = [](uint32_t bits) { return double(fromBfloat16(uint16_t(bits))); };
  const double exact = value(a) * value(b) + value(c);
  auto sum = float(exact);
  // To odd where something was lost, so that the second rounding does not take it for a tie.
  if (double(sum) != exact && sum - sum == 0 && !(std::bit_cast<uint32_t>(sum) & 1))
    sum = std::nextafter(sum, exact > double(sum) ? HUGE_VALF : -HUGE_VALF);
  return toBfloat16(sum);
}

}  // namespace

uint32_t fmaPair(uint32_t a, uint32_t b, uint32_t c) {
  return fmaOne(a & 0xffff, b & 0xffff, c & 0xffff) | fmaOne(a >> 16, b >> 16, c >> 16) << 16;
}

void ldmatrix(uint32_t* registers, unsigned count, bool transposed, uint32_t row) {
  constexpr const char* kName = "ldmatrix";
  requireWholeWarp(kName);
  LdmatrixOperand operand{registers, row, count, transposed};
  if (!meet(kName, kAllLanes, &operand)) return;
  const void* code = __builtin_return_address(0);
  const Warp& warp = *current->warp;
  Thread* const lanes = current - current->lane;
  for (void* other : warp.operands) {
    const auto& theirs = *static_cast<const LdmatrixOperand*>(other);
    if (theirs.count != count || theirs.transposed != transposed) disagree(kName);
  }
  if (launchNow->recorder) ++launchNow->recorder->report.ldmatrix;
  for (unsigned i = 0; i < count; ++i) {
    uint16_t matrix[8][8];
    std::array<const void*, 8> rows;
    for (unsigned r = 0; r < 8; ++r) {
      const uint32_t address = static_cast<const LdmatrixOperand*>(warp.operands[i * 8 + r])->row;
      const char* from = sharedPointer(address, "ldmatrix of a row");
      if (address % 16) launchNow->failAt(code, "ldmatrix of a row at ", address, ", no multiple of 16");
      readRow(lanes[r * 4], from, code);
      rows[r] = from;
      std::memcpy(matrix[r], from, 16);
    }
    if (launchNow->recorder) launchNow->recorder->matrixRows(rows);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const unsigned major = lane / 4, minor = lane % 4 * 2;
      const uint16_t low = transposed ? matrix[minor][major] : matrix[major][minor];
      const uint16_t high = transposed ? matrix[minor + 1][major] : matrix[major][minor + 1];
      static_cast<const LdmatrixOperand*>(warp.operands[lane])->registers[i] = uint32_t(high) << 16 | low;
    }
  }
  depart(kAllLanes);
}

void mma(float* d, const uint32_t* a, uint32_t b0, uint32_t b1, bool isBfloat16) {
  constexpr const char* kName = "mma.sync";
  requireWholeWarp(kName);
  for (unsigned i = 0; i < 4; ++i)
    if (std::bit_cast<uint32_t>(d[i]) == kNeverSet)
      launchNow->failAt(__builtin_return_address(0), "mma.sync adds to an accumulator that nobody set");
  MmaOperand operand{d, a, {b0, b1}, isBfloat16};
  if (!meet(kName, kAllLanes, &operand)) return;
  const Warp& warp = *current->warp;
  for (void* other : warp.operands)
    if (static_cast<const MmaOperand*>(other)->isBfloat16 != isBfloat16) disagree(kName);
  if (launchNow->recorder) ++launchNow->recorder->report.mma;
  isBfloat16 ? multiply<true>(warp) : multiply<false>(warp);
  depart(kAllLanes);
}

}  // namespace ibert::emulator
