// packWeight's bytes on every instruction set that this machine runs, against packed.h's definition of the
// order, code by code.
#define IBERT_ISA packed_test
#define IBERT_LEVEL_generic

#include <cstdlib>
#include <random>
#include <vector>

#include "check.h"
#include "cpu/backend.h"
#include "cpu/isa.h"
#include "cpu/kernels/ggml_blocks.h"
#include "tools/session.h"

namespace ibert::tests {

namespace {

using cpu::kBlock;
using cpu::kPanelRows;
using cpu::PackedFormat;
using cpu::ScaleKind;
using cpu::packed_test::RowBlock;

void setBits(uint8_t* word, int bit, uint32_t value) {
  uint32_t bits;
  std::memcpy(&bits, word, 4);
  bits |= value << bit;
  std::memcpy(word, &bits, 4);
}

// Where the code of column k of row n goes.
void placeCode(int bits, int n, int k, uint32_t code, uint8_t* codes) {
  const int half = n / 16, lane = n % 16, j = k % 2;
  const auto word = [&](int plane, int row) { return codes + plane + 4 * (row * 16 + lane); };
  if (bits == 8) return setBits(word(0, half * 8 + k / 4), 16 * j + 8 * (k % 4 / 2), code);
  const int c = k / 8, i = k % 8 / 2;
  setBits(word(0, half * 4 + c), 16 * j + 4 * i, code & 15);
  if (bits == 5) setBits(word(512, half), 16 * j + 4 * c + i, code >> 4);
  if (bits == 6) setBits(word(512, half * 2 + c / 2), 16 * j + 8 * (c % 2) + 2 * i, code >> 4);
}

void placeBlock(const PackedFormat& format, const RowBlock& block, int n, uint8_t* head, uint8_t* scales) {
  for (int k = 0; k < kBlock; ++k) placeCode(format.bits, n, k, block.codes[k], scales + format.scaleBytes());
  uint8_t* d = format.headBytes() != 0 ? head : scales;
  std::memcpy(d + 2 * n, &block.d, 2);
  if (format.scales == ScaleKind::DM || format.scales == ScaleKind::SuperM)
    std::memcpy(d + 64 + 2 * n, &block.m, 2);
  if (format.scales == ScaleKind::SuperM) {
    scales[n] = block.scale;
    scales[kPanelRows + n] = block.minimum;
  } else if (format.scales == ScaleKind::Super16) {
    std::memcpy(scales + n, block.scales16, 1);
    std::memcpy(scales + kPanelRows + n, block.scales16 + 1, 1);
  }
}

std::vector<uint8_t> inOrder(DType dtype, int64_t rows, int64_t columns, const std::vector<uint8_t>& source) {
  const PackedFormat format = cpu::packedFormat(dtype);
  const int64_t stride = rowMajorBytes(dtype, columns, columns),
                panel = cpu::packedPanelBytes(dtype, columns);
  std::vector<uint8_t> packed((rows + kPanelRows - 1) / kPanelRows * panel);
  for (int64_t r = 0; r < rows; ++r) {
    uint8_t* to = packed.data() + r / kPanelRows * panel;
    const uint8_t* row = source.data() + r * stride;
    const auto n = static_cast<int>(r % kPanelRows);
    const int unit = dtype == DType::F32 ? 4 : 2;
    for (int64_t k = 0; format.bits == 0 && k < columns; ++k) {
      const int64_t at = unit == 4 ? k * kPanelRows + n : k / 2 * 2 * kPanelRows + 2 * n + k % 2;
      std::memcpy(to + at * unit, row + k * unit, unit);
    }
    const int blocks = format.superBlock / kBlock;
    for (int64_t b = 0; format.bits != 0 && b < columns / kBlock; ++b) {
      RowBlock block{};
      cpu::packed_test::readRowBlock(dtype, row, b, block);
      uint8_t* head = to + b / blocks * format.superBytes();
      placeBlock(format, block, n, head, head + format.headBytes() + b % blocks * format.blockBytes());
    }
  }
  return packed;
}

std::vector<uint8_t> packedBy(tools::Session& session, DType dtype, int64_t rows, int64_t columns,
                              const std::vector<uint8_t>& source) {
  const auto bytes = static_cast<int64_t>(source.size());
  std::vector<uint8_t> result(session.packedBytes(dtype, rows, columns));
  PackWeight args{};
  args.source.dtype = args.packed.dtype = dtype;
  args.source.rank = args.packed.rank = 2;
  args.source.shape[0] = args.packed.shape[0] = rows;
  args.source.shape[1] = args.packed.shape[1] = columns;
  args.packed.layout = Layout::Packed;
  args.source.buffer = session.allocate(bytes);
  args.packed.buffer = session.allocate(static_cast<int64_t>(result.size()));
  session.toDevice(args.source.buffer, 0, source.data(), bytes);
  session.enqueue(Op::packWeight, &args);
  session.toHost(result.data(), args.packed.buffer, 0, static_cast<int64_t>(result.size()));
  session.release(args.source.buffer);
  session.release(args.packed.buffer);
  return result;
}

void testOrder(const char* isa) {
  setenv("IBERT_CPU_ISA", isa, 1);
  tools::Session session(cpu::cpuBackend(), 2);
  std::mt19937 random(7);
  constexpr DType kAll[] = {DType::F32,  DType::BF16, DType::F16,  DType::Q8_0, DType::Q4_0, DType::Q4_1,
                            DType::Q5_0, DType::Q5_1, DType::Q4_K, DType::Q5_K, DType::Q6_K};
  for (const DType dtype : kAll) {
    for (const int64_t rows : {1, 32, 65}) {
      for (const int64_t columns : {1, 33, 96, 127, 512}) {
        if (columns % dtypeInfo(dtype)->blockElements != 0) continue;
        std::vector<uint8_t> source(rowMajorBytes(dtype, rows * columns, columns));
        for (uint8_t& byte : source) byte = static_cast<uint8_t>(random());
        expect(packedBy(session, dtype, rows, columns, source) == inOrder(dtype, rows, columns, source),
               std::string(isa) + ": " + dtypeInfo(dtype)->name + " of " + std::to_string(rows) + " x " +
                   std::to_string(columns) + " is packed in another order");
      }
    }
  }
}

}  // namespace

}  // namespace ibert::tests

int main() {
  for (const ibert::cpu::Isa isa : ibert::cpu::runnableIsas())
    ibert::tests::testOrder(ibert::cpu::isaName(isa));
  return ibert::tests::failures() == 0 ? 0 : 1;
}
