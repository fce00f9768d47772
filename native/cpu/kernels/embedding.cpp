// embedding: rows of a table by id. The table may be row-major, or packed: a model with a tied head keeps one
// copy.
#include "../../host/kernel.h"
#include "ggml_blocks.h"
#include "matrix.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

using host::Context;

// Row n of a panel, columns [k0, k0 + count), count <= 32.
void readPacked(const PackedWeight& w, int64_t row, int64_t k0, int64_t count, float* out) {
  const uint8_t* panel = w.panel(row / kPanelRows);
  const int n = static_cast<int>(row % kPanelRows), half = n / 16, lane = n % 16;
  const PackedFormat format = packedFormat(w.dtype);
  if (format.bits == 0) {
    for (int64_t k = k0; k < k0 + count; ++k) {
      if (w.dtype == DType::F32) {
        out[k - k0] = reinterpret_cast<const float*>(panel)[k * kPanelRows + n];
      } else {
        const uint16_t value = reinterpret_cast<const uint16_t*>(panel)[k / 2 * 64 + 2 * n + k % 2];
        out[k - k0] = w.dtype == DType::BF16 ? scalarFromBf16(value) : scalarFromF16(value);
      }
    }
    return;
  }
  const int blocks = format.superBlock / kBlock;
  const int64_t b = k0 / kBlock;
  const uint8_t* head = panel + b / blocks * format.superBytes();
  const uint8_t* scales = head + format.headBytes() + b % blocks * format.blockBytes();
  const uint8_t* codes = scales + format.scaleBytes();
  RowBlock block;
  const uint16_t* halves = reinterpret_cast<const uint16_t*>(format.headBytes() != 0 ? head : scales);
  block.d = halves[n];
  block.m = halves[kPanelRows + n];
  block.scale = scales[n];
  block.minimum = scales[kPanelRows + n];
  block.scales16[0] = static_cast<int8_t>(scales[n]);
  block.scales16[1] = static_cast<int8_t>(scales[kPanelRows + n]);

  const uint32_t* low =
      reinterpret_cast<const uint32_t*>(codes) + half * (format.bits == 8 ? 8 : 4) * 16 + lane;
  const uint32_t* high =
      reinterpret_cast<const uint32_t*>(codes + 512) + half * (format.bits == 6 ? 32 : 16) + lane;
  for (int k = 0; k < kBlock; ++k) {
    if (format.bits == 8) {
      block.codes[k] = static_cast<uint8_t>(low[k / 4 * 16] >> (16 * (k % 2) + 8 * (k % 4 / 2)));
      continue;
    }
    const int c = k / 8, i = k % 8 / 2, j = k % 2;
    uint32_t q = (low[c * 16] >> (16 * j + 4 * i)) & 15;
    if (format.bits == 5) q |= ((high[0] >> (16 * j + 4 * c + i)) & 1) << 4;
    if (format.bits == 6) q |= ((high[c / 2 * 16] >> (16 * j + 8 * (c % 2) + 2 * i)) & 3) << 4;
    block.codes[k] = static_cast<uint8_t>(q);
  }
  for (int h = 0; h < 2; ++h) {
    float d, m;
    blockScale(format, block, h, d, m);
    for (int k = 16 * h; k < 16 * h + 16; ++k) out[k] = d * block.codes[k] + m;
  }
}

void run(const Embedding& op, Context& context) {
  const int64_t T = op.ids.shape[0], D = op.table.shape[1];
  const int32_t* ids = op.ids.as<int32_t>();
  const bool packed = op.table.layout == Layout::Packed;
  const PackedWeight table(op.table);
  const int64_t stride = packed ? 0 : rowBytes(op.table.dtype, D);
  context.pool.parallelFor(T, [&](int64_t t, int) {
    float block[kBlock];
    for (int64_t k0 = 0; k0 < D; k0 += kBlock) {
      const int64_t count = smaller(kBlock, D - k0);
      if (packed) {
        readPacked(table, ids[t], k0, count, block);
      } else {
        readRow(op.table.dtype, op.table.as<uint8_t>() + ids[t] * stride, k0, count, block);
      }
      for (int64_t k = 0; k < count; k += kLanes) {
        const int64_t lanes = smaller(kLanes, count - k);
        storeElements(op.y.data, op.y.dtype == DType::BF16, t * D + k0 + k, lanes,
                      loadElements(block, false, k, lanes));
      }
    }
  });
}

}  // namespace

void registerEmbedding(host::KernelTable& table) {
  table.set<Embedding, run>(kPath);
}

}  // namespace ibert::cpu::IBERT_ISA
