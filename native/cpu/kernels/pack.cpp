// packWeight: row-major weights into panels of 32 interleaved rows (packed.h), at the speed of memory.
//
// Everything is a transposition of 32-bit words (gather), so that a vector holds the same bytes of sixteen
// rows, and shifts and masks on such vectors.
#include <vector>

#include "../../host/kernel.h"
#include "ggml_blocks.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

using host::Context;

typedef uint32_t Quad __attribute__((vector_size(16)));

// A panel's 32 rows in the source, all of them there.
struct Rows {
  DType dtype;
  const uint8_t* first;
  int64_t stride;

  const uint8_t* at(int64_t row, int64_t byte) const { return first + row * stride + byte; }
};

// The four 32-bit words at `byte` of the sixteen rows from `row` on: word w of row i goes to out[w * step +
// i].
IBERT_INLINE void gather(const Rows& rows, int64_t row, int64_t byte, uint32_t* out, int64_t step) {
  for (int i = 0; i < kLanes; i += 4) {
    const auto a = load<Quad>(rows.at(row + i, byte)), b = load<Quad>(rows.at(row + i + 1, byte));
    const auto c = load<Quad>(rows.at(row + i + 2, byte)), d = load<Quad>(rows.at(row + i + 3, byte));
    const Quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const Quad ef = __builtin_shufflevector(a, b, 2, 6, 3, 7), gh = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    store(out + i, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
    store(out + step + i, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
    store(out + 2 * step + i, __builtin_shufflevector(ef, gh, 0, 1, 4, 5));
    store(out + 3 * step + i, __builtin_shufflevector(ef, gh, 2, 3, 6, 7));
  }
}

// Sixteen rows' bytes of a block, 32 of each or 16: word w of row i.
struct alignas(64) RowWords {
  uint32_t words[8][kLanes];

  template <int kBytes>
  IBERT_INLINE void read(RowWords& out, const Rows& rows, int64_t row, int64_t byte) {
    for (int at = 0; at < kBytes; at += 16) gather(rows, row, byte + at, out.words[at / 4], kLanes);
  }
  Words word(int w) const { return load<Words>(words[w]); }
};

// Of bytes b0..b3 in each lane, each of `bits` bits: b0 and b2 side by side in the lower half, b1 and b3 in
// the upper.
template <int bits>
IBERT_INLINE Words joinPairs(Words bytes) {
  constexpr uint32_t kMask = (1u << 2 * bits) - 1;
  const Words both = bytes | (bytes >> (16 - bits));
  return (both & kMask) | ((both & (kMask << 8)) << 8);
}

// The low plane of 4-bit codes, from word w = codes 4w..4w+3 as bytes.
template <class Codes>
IBERT_INLINE void storeNibbles(uint32_t* low, const Codes& codes) {
  for (int c = 0; c < 4; ++c)
    store(low + c * kLanes, joinPairs<4>(codes(2 * c)) | (joinPairs<4>(codes(2 * c + 1)) << 8));
}

// The high plane of 5-bit codes, from the high bits as bytes.
template <class Bits>
IBERT_INLINE void storeFifths(uint32_t* high, const Bits& bits) {
  Words plane{};
  for (int w = 0; w < 8; ++w) plane |= joinPairs<1>(bits(w)) << (2 * w);
  store(high, plane);
}

// The high plane of 6-bit codes, from the two high bits as bytes.
template <class Bits>
IBERT_INLINE void storeSixths(uint32_t* high, const Bits& bits) {
  for (int c = 0; c < 2; ++c) {
    Words plane{};
    for (int w = 0; w < 4; ++w) plane |= joinPairs<2>(bits(4 * c + w)) << (4 * w);
    store(high + c * kLanes, plane);
  }
}

// Even bits into the lower half, odd ones into the upper: the plane of 5-bit codes from bits in the order of
// k.
IBERT_INLINE Words evenAndOdd(Words x) {
  const auto swap = [&x](uint32_t mask, int by) {
    const Words moved = (x ^ (x >> by)) & mask;
    x ^= moved ^ (moved << by);
  };
  swap(0x22222222u, 1);
  swap(0x0c0c0c0cu, 2);
  swap(0x00f000f0u, 4);
  swap(0x0000ff00u, 8);
  return x;
}

IBERT_INLINE void copyHalves(const Rows& rows, int64_t byte, uint8_t* to) {
  for (int n = 0; n < kPanelRows; ++n) std::memcpy(to + 2 * n, rows.at(n, byte), 2);
}

// The lowest byte of each lane.
IBERT_INLINE void storeBytes(uint8_t* to, Words lanes) {
#if defined(__AVX512F__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8((__m512i)lanes));
#else
  alignas(64) uint32_t words[kLanes];
  store(words, lanes);
  for (int i = 0; i < kLanes; ++i) to[i] = static_cast<uint8_t>(words[i]);
#endif
}

constexpr uint32_t kLowNibbles = 0x0f0f0f0fu;

// Q4_0, Q4_1, Q5_0, Q5_1: d, perhaps m, perhaps 32 high bits, 16 bytes of nibbles.
template <DType dtype>
IBERT_INLINE void packSmall(const Rows& rows, int64_t block, uint8_t* to) {
  constexpr PackedFormat kFormat = packedFormat(dtype);
  constexpr int kScales = kFormat.scales == ScaleKind::DM ? 4 : 2, kHigh = kFormat.bits == 5 ? 4 : 0;
  const int64_t from = block * (kScales + kHigh + 16);
  copyHalves(rows, from, to);
  if (kScales == 4) copyHalves(rows, from + 2, to + 64);
  auto* low = reinterpret_cast<uint32_t*>(to + kFormat.scaleBytes());
  RowWords halves[2];
  for (int half = 0; half < 2; ++half) {
    RowWords::read<16>(halves[half], rows, 16 * half, from + kScales + kHigh);
    for (int i = 0; i < kLanes && kHigh != 0; ++i)
      halves[half].words[4][i] = load32(rows.at(16 * half + i, from + kScales));
  }
  for (int half = 0; half < 2; ++half) {
    const RowWords& lanes = halves[half];
    storeNibbles(low + half * 64, [&](int w) { return (lanes.word(w % 4) >> (w / 4 * 4)) & kLowNibbles; });
    if (kHigh != 0) store(low + 128 + half * kLanes, evenAndOdd(lanes.word(4)));
  }
}

void packQ8(const Rows& rows, int64_t block, uint8_t* to) {
  copyHalves(rows, block * 34, to);
  auto* codes = reinterpret_cast<uint32_t*>(to + 64);
  RowWords halves[2];
  for (int half = 0; half < 2; ++half) RowWords::read<32>(halves[half], rows, 16 * half, block * 34 + 2);
  for (int half = 0; half < 2; ++half) {
    for (int c = 0; c < 8; ++c) {
      const Words w = halves[half].word(c);
      const Words swapped = (w & 0xff0000ffu) | ((w >> 8) & 0xff00u) | ((w << 8) & 0xff0000u);
      store(codes + (8 * half + c) * kLanes, swapped ^ 0x80808080u);
    }
  }
}

// Q4_K, Q5_K: d and dmin, 12 bytes of scales, perhaps 32 bytes of high bits, 128 of nibbles.
template <DType dtype>
IBERT_INLINE void packSuper(const Rows& rows, int64_t super, uint8_t* to) {
  constexpr PackedFormat kFormat = packedFormat(dtype);
  constexpr int kHigh = kFormat.bits == 5 ? 32 : 0;
  const int64_t from = super * (144 + kHigh);
  for (int half = 0; half < 2; ++half) {
    RowWords head, high, nibbles;
    RowWords::read<16>(head, rows, 16 * half, from);
    if (kHigh != 0) RowWords::read<32>(high, rows, 16 * half, from + 16);
    store(to + 32 * half, narrow(head.word(0) & 0xffffu));
    store(to + 64 + 32 * half, narrow(head.word(0) >> 16));
    for (int s = 0; s < 8; ++s) {
      uint8_t* scales = to + kFormat.headBytes() + s * kFormat.blockBytes();
      auto* low = reinterpret_cast<uint32_t*>(scales + kFormat.scaleBytes());
      const auto byte = [&](int word) { return (head.word(word) >> (s % 4 * 8)) & 0xffu; };
      const Words scale = s < 4 ? byte(1) & 63u : (byte(3) & 15u) | ((byte(1) >> 6) << 4);
      const Words minimum = s < 4 ? byte(2) & 63u : (byte(3) >> 4) | ((byte(2) >> 6) << 4);
      storeBytes(scales + 16 * half, scale);
      storeBytes(scales + 32 + 16 * half, minimum);
      if (s % 2 == 0) RowWords::read<32>(nibbles, rows, 16 * half, from + 16 + kHigh + s / 2 * 32);
      storeNibbles(low + half * 64, [&](int w) { return (nibbles.word(w) >> (s % 2 * 4)) & kLowNibbles; });
      if (kHigh == 0) continue;
      storeFifths(low + 128 + half * kLanes, [&](int w) { return (high.word(w) >> s) & 0x01010101u; });
    }
  }
}

// Q6_K: 128 bytes of nibbles, 64 of two high bits, 16 scales, d.
void packQ6(const Rows& rows, int64_t super, uint8_t* to) {
  constexpr PackedFormat kFormat = packedFormat(DType::Q6_K);
  const int64_t from = super * 210;
  copyHalves(rows, from + 208, to);
  for (int half = 0; half < 2; ++half) {
    RowWords scales16, high, nibbles[2];
    RowWords::read<16>(scales16, rows, 16 * half, from + 192);
    for (int s = 0; s < 8; ++s) {
      const int quarter = s % 4;
      uint8_t* scales = to + kFormat.headBytes() + s * kFormat.blockBytes();
      auto* low = reinterpret_cast<uint32_t*>(scales + kFormat.scaleBytes());
      const Words pair = scales16.word(s / 2) >> (s % 2 * 16);
      storeBytes(scales + 16 * half, pair & 0xffu);
      storeBytes(scales + 32 + 16 * half, (pair >> 8) & 0xffu);
      if (quarter == 0) {
        RowWords::read<32>(nibbles[0], rows, 16 * half, from + s / 4 * 64);
        RowWords::read<32>(nibbles[1], rows, 16 * half, from + s / 4 * 64 + 32);
        RowWords::read<32>(high, rows, 16 * half, from + 128 + s / 4 * 32);
      }
      storeNibbles(low + half * 64,
                   [&](int w) { return (nibbles[quarter % 2].word(w) >> (quarter / 2 * 4)) & kLowNibbles; });
      storeSixths(low + 128 + half * 32,
                  [&](int w) { return (high.word(w) >> (2 * quarter)) & 0x03030303u; });
    }
  }
}

template <class Pack>
IBERT_INLINE void packBlocks(const Rows& rows, int64_t columns, uint8_t* panel, Pack&& pack) {
  const PackedFormat format = packedFormat(rows.dtype);
  for (int64_t b = 0; b < columns / format.superBlock; ++b) pack(rows, b, panel + b * format.superBytes());
}

void packQuantised(const Rows& rows, int64_t columns, uint8_t* panel) {
  switch (rows.dtype) {
    case DType::Q8_0:
      return packBlocks(rows, columns, panel, packQ8);
    case DType::Q4_0:
      return packBlocks(rows, columns, panel, packSmall<DType::Q4_0>);
    case DType::Q4_1:
      return packBlocks(rows, columns, panel, packSmall<DType::Q4_1>);
    case DType::Q5_0:
      return packBlocks(rows, columns, panel, packSmall<DType::Q5_0>);
    case DType::Q5_1:
      return packBlocks(rows, columns, panel, packSmall<DType::Q5_1>);
    case DType::Q4_K:
      return packBlocks(rows, columns, panel, packSuper<DType::Q4_K>);
    case DType::Q5_K:
      return packBlocks(rows, columns, panel, packSuper<DType::Q5_K>);
    case DType::Q6_K:
      return packBlocks(rows, columns, panel, packQ6);
    default:
      return;
  }
}

// Words of one column of float32, or of two of 16 bits, which keep their bits.
void packWords(const Rows& rows, int64_t rowBytes, uint8_t* panel) {
  auto* out = reinterpret_cast<uint32_t*>(panel);
  int64_t byte = 0;
  for (; byte + 16 <= rowBytes; byte += 16, out += 4 * kPanelRows) {
    for (int half = 0; half < 2; ++half) gather(rows, 16 * half, byte, out + 16 * half, kPanelRows);
  }
  for (; byte < rowBytes; byte += 4, out += kPanelRows) {
    const auto rest = static_cast<size_t>(rowBytes - byte < 4 ? rowBytes - byte : 4);
    for (int n = 0; n < kPanelRows; ++n) {
      out[n] = 0;
      std::memcpy(out + n, rows.at(n, byte), rest);
    }
  }
}

// From any dtype to float32 or bf16, 32 columns at a time.
void packFloats(const Rows& rows, DType target, int64_t columns, uint8_t* panel) {
  alignas(64) float block[kPanelRows][kBlock];
  alignas(64) uint32_t turned[kBlock][kPanelRows];
  const Rows values = {DType::F32, reinterpret_cast<const uint8_t*>(block), sizeof block[0]};
  auto* out = reinterpret_cast<uint32_t*>(panel);
  for (int64_t k0 = 0; k0 < columns; k0 += kBlock) {
    const int64_t count = columns - k0 < kBlock ? columns - k0 : kBlock;
    // What is left of the last pair of columns is zero.
    if (count < kBlock) std::memset(block, 0, sizeof block);
    for (int64_t n = 0; n < kPanelRows; ++n) readRow(rows.dtype, rows.at(n, 0), k0, count, block[n]);
    packWords(values, sizeof block[0], reinterpret_cast<uint8_t*>(turned));
    if (target == DType::F32) {
      std::memcpy(out + k0 * kPanelRows, turned, static_cast<size_t>(count) * sizeof turned[0]);
      continue;
    }
    for (int64_t k = 0; k < count; k += 2) {
      for (int n = 0; n < kPanelRows; n += kLanes) {
        const Words low = roundToBf16(load<Floats>(turned[k] + n));
        const Words high = roundToBf16(load<Floats>(turned[k + 1] + n));
        store(out + (k0 + k) / 2 * kPanelRows + n, (low >> 16) | (high & 0xffff0000u));
      }
    }
  }
}

void packPanel(const Rows& rows, DType target, int64_t columns, uint8_t* panel) {
  if (rows.dtype != target) return packFloats(rows, target, columns, panel);
  if (packedFormat(target).bits != 0) return packQuantised(rows, columns, panel);
  packWords(rows, rowBytes(target, columns), panel);
}

// What a row past the last holds: zero weights.
void fillRow(DType dtype, uint8_t* row, int64_t bytes) {
  std::memset(row, 0, static_cast<size_t>(bytes));
  // Code 0 of the packed order.
  for (int64_t i = 0; dtype == DType::Q8_0 && i < bytes; ++i) row[i] = i % 34 < 2 ? 0 : 0x80;
}

void run(const PackWeight& op, Context& context) {
  const int64_t rows = op.source.shape[0], columns = op.source.shape[1];
  const DType from = op.source.dtype, to = op.packed.dtype;
  const int64_t stride = rowBytes(from, columns), panelBytes = packedPanelBytes(to, columns);
  context.pool.parallelFor((rows + kPanelRows - 1) / kPanelRows, [&](int64_t panel, int) {
    const int64_t n0 = panel * kPanelRows, count = rows - n0;
    const uint8_t* source = op.source.as<uint8_t>() + n0 * stride;
    uint8_t* out = op.packed.as<uint8_t>() + panel * panelBytes;
    if (count >= kPanelRows) return packPanel({from, source, stride}, to, columns, out);
    std::vector<uint8_t> whole(static_cast<size_t>(stride) * kPanelRows);
    std::memcpy(whole.data(), source, static_cast<size_t>(count * stride));
    for (int64_t n = count; n < kPanelRows; ++n) fillRow(from, whole.data() + n * stride, stride);
    packPanel({from, whole.data(), stride}, to, columns, out);
  });
}

}  // namespace

void registerPackWeight(host::KernelTable& table) {
  table.set<PackWeight, run>(kPath);
}

}  // namespace ibert::cpu::IBERT_ISA
