// packWeight: row-major weights into panels of 32 interleaved rows (packed.h).
#include "../../host/kernel.h"
#include "ggml_blocks.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

using host::Context;

// Rows [n0, n0 + 32) of the source; rows past N read as zero weights.
struct SourcePanel {
  DType dtype;
  const uint8_t* rows;
  int64_t stride;
  int64_t count;  // of real rows
};

void packFloats(const SourcePanel& source, DType target, int64_t columns, uint8_t* panel) {
  float block[kBlock];
  for (int64_t k0 = 0; k0 < columns; k0 += kBlock) {
    const int64_t count = columns - k0 < kBlock ? columns - k0 : kBlock;
    for (int64_t n = 0; n < kPanelRows; ++n) {
      std::memset(block, 0, sizeof block);
      if (n < source.count) readRow(source.dtype, source.rows + n * source.stride, k0, count, block);
      if (target == DType::F32) {
        float* out = reinterpret_cast<float*>(panel) + k0 * kPanelRows + n;
        for (int64_t k = 0; k < count; ++k) out[k * kPanelRows] = block[k];
      } else {
        uint16_t* out = reinterpret_cast<uint16_t*>(panel) + (k0 * kPanelRows + 2 * n);
        for (int64_t k = 0; k < (count + 1) / 2 * 2; ++k) {
          out[k / 2 * (2 * kPanelRows) + k % 2] = k < count ? scalarToBf16(block[k]) : 0;
        }
      }
    }
  }
}

// 16-bit weights keep their bits.
void packHalves(const SourcePanel& source, int64_t columns, uint8_t* panel) {
  uint16_t* out = reinterpret_cast<uint16_t*>(panel);
  for (int64_t n = 0; n < kPanelRows; ++n) {
    const uint16_t* row = reinterpret_cast<const uint16_t*>(source.rows + n * source.stride);
    for (int64_t k = 0; k < (columns + 1) / 2 * 2; ++k) {
      out[k / 2 * (2 * kPanelRows) + 2 * n + k % 2] = n < source.count && k < columns ? row[k] : 0;
    }
  }
}

void packCodes(const PackedFormat& format, const RowBlock& block, int n, uint8_t* codes) {
  const int half = n / 16, lane = n % 16;
  uint32_t* low = reinterpret_cast<uint32_t*>(codes) + half * (format.bits == 8 ? 8 : 4) * 16 + lane;
  if (format.bits == 8) {
    for (int c = 0; c < 8; ++c) {
      const uint8_t* q = block.codes + 4 * c;
      low[c * 16] = q[0] | q[2] << 8 | q[1] << 16 | static_cast<uint32_t>(q[3]) << 24;
    }
    return;
  }
  for (int c = 0; c < 4; ++c) {
    uint32_t word = 0;
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 2; ++j)
        word |= static_cast<uint32_t>(block.codes[8 * c + 2 * i + j] & 15) << (16 * j + 4 * i);
    }
    low[c * 16] = word;
  }
  uint32_t* high = reinterpret_cast<uint32_t*>(codes + 512) + half * (format.bits == 6 ? 32 : 16) + lane;
  for (int c = 0; c < 4 && format.bits > 4; ++c) {
    if (c == 0 || (format.bits == 6 && c == 2)) high[c / 2 * 16] = 0;
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 2; ++j) {
        const uint32_t top = block.codes[8 * c + 2 * i + j] >> 4;
        if (format.bits == 5) {
          high[0] |= top << (16 * j + 4 * c + i);
        } else {
          high[c / 2 * 16] |= top << (16 * j + 8 * (c % 2) + 2 * i);
        }
      }
    }
  }
}

void packQuantised(const SourcePanel& source, int64_t columns, uint8_t* panel) {
  const PackedFormat format = packedFormat(source.dtype);
  const int blocks = format.superBlock / kBlock;
  RowBlock row;
  for (int64_t b = 0; b < columns / kBlock; ++b) {
    uint8_t* head = panel + b / blocks * format.superBytes();
    uint8_t* scales = head + format.headBytes() + b % blocks * format.blockBytes();
    uint8_t* codes = scales + format.scaleBytes();
    for (int n = 0; n < kPanelRows; ++n) {
      std::memset(&row, 0, sizeof row);
      if (n < source.count) readRowBlock(source.dtype, source.rows + n * source.stride, b, row);
      packCodes(format, row, n, codes);
      uint16_t* dHalf = reinterpret_cast<uint16_t*>(format.headBytes() != 0 ? head : scales);
      dHalf[n] = row.d;
      if (format.scales == ScaleKind::DM || format.scales == ScaleKind::SuperM) dHalf[kPanelRows + n] = row.m;
      if (format.scales == ScaleKind::SuperM) {
        scales[n] = row.scale;
        scales[kPanelRows + n] = row.minimum;
      } else if (format.scales == ScaleKind::Super16) {
        scales[n] = static_cast<uint8_t>(row.scales16[0]);
        scales[kPanelRows + n] = static_cast<uint8_t>(row.scales16[1]);
      }
    }
  }
}

void run(const PackWeight& op, Context& context) {
  const int64_t rows = op.source.shape[0], columns = op.source.shape[1];
  const DType from = op.source.dtype, to = op.packed.dtype;
  const int64_t stride = rowBytes(from, columns), panelBytes = packedPanelBytes(to, columns);
  context.pool.parallelFor((rows + kPanelRows - 1) / kPanelRows, [&](int64_t panel, int) {
    const int64_t n0 = panel * kPanelRows;
    const SourcePanel source = {from, op.source.as<uint8_t>() + n0 * stride, stride,
                                rows - n0 < kPanelRows ? rows - n0 : kPanelRows};
    uint8_t* out = op.packed.as<uint8_t>() + panel * panelBytes;
    if (from == to && packedFormat(to).bits != 0) {
      packQuantised(source, columns, out);
    } else if (from == to && to != DType::F32) {
      packHalves(source, columns, out);
    } else {
      packFloats(source, to, columns, out);
    }
  });
}

}  // namespace

void registerPackWeight(host::KernelTable& table) {
  table.set<PackWeight, run>(kPath);
}

}  // namespace ibert::cpu::IBERT_ISA
