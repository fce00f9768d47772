// cast: between plain dtypes, and from block formats to plain ones.
#include "../../host/kernel.h"
#include "ggml_blocks.h"
#include "matrix.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

using host::Context;

constexpr int64_t kTask = 16384;  // elements; a multiple of every block

double readPlain(DType dtype, const void* data, int64_t i) {
  switch (dtype) {
    case DType::F64:
      return static_cast<const double*>(data)[i];
    case DType::F32:
      return static_cast<const float*>(data)[i];
    case DType::BF16:
      return scalarFromBf16(static_cast<const uint16_t*>(data)[i]);
    case DType::F16:
      return scalarFromF16(static_cast<const uint16_t*>(data)[i]);
    case DType::I32:
      return static_cast<const int32_t*>(data)[i];
    default:
      return static_cast<const uint8_t*>(data)[i];
  }
}

// Rounded once, from double: to odd first, so that the second rounding to 16 bits sees what was lost.
float toOdd(double x) {
  float f = static_cast<float>(x);
  if (static_cast<double>(f) == x || f != f || f - f != 0.0f) return f;
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  const bool away = (static_cast<double>(f) > x) == (x > 0);
  if (away) --bits;
  bits |= 1u;
  std::memcpy(&f, &bits, 4);
  return f;
}

void writePlain(DType dtype, void* data, int64_t i, double x) {
  switch (dtype) {
    case DType::F64:
      static_cast<double*>(data)[i] = x;
      return;
    case DType::F32:
      static_cast<float*>(data)[i] = static_cast<float>(x);
      return;
    case DType::BF16:
      static_cast<uint16_t*>(data)[i] = scalarToBf16(toOdd(x));
      return;
    case DType::F16:
      static_cast<uint16_t*>(data)[i] = scalarToF16(toOdd(x));
      return;
    case DType::I32:
      static_cast<int32_t*>(data)[i] = static_cast<int32_t>(x);
      return;
    default:
      static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(x);
      return;
  }
}

bool isActivation(DType dtype) {
  return dtype == DType::F32 || dtype == DType::BF16;
}

void castRange(const Cast& op, int64_t begin, int64_t end) {
  const DType from = op.source.dtype, to = op.target.dtype;
  const bool bf16 = to == DType::BF16;
  if (isActivation(from) && isActivation(to)) {
    for (int64_t i = begin; i < end; i += kLanes) {
      const int64_t count = smaller(kLanes, end - i);
      const Floats values = loadElements(op.source.data, from == DType::BF16, i, count);
      if (bf16 && count >= kLanes) {
        store(op.target.as<uint16_t>() + i, toBf16Exactly(values));
      } else {
        storeElements(op.target.data, bf16, i, count, values);
      }
    }
  } else if (packedFormat(from).bits != 0) {
    float block[kBlock];
    for (int64_t i = begin; i < end; i += kBlock) {
      readRow(from, op.source.as<uint8_t>(), i, kBlock, block);
      for (int64_t k = 0; k < kBlock; ++k) writePlain(to, op.target.data, i + k, block[k]);
    }
  } else {
    for (int64_t i = begin; i < end; ++i)
      writePlain(to, op.target.data, i, readPlain(from, op.source.data, i));
  }
}

void run(const Cast& op, Context& context) {
  const int64_t count = op.target.elements();
  context.pool.parallelFor(ceilDivide(count, kTask), [&](int64_t task, int) {
    castRange(op, task * kTask, smaller(count, (task + 1) * kTask));
  });
}

}  // namespace

void registerCast(host::KernelTable& table) {
  table.set<Cast, run>(kPath);
}

}  // namespace ibert::cpu::IBERT_ISA
