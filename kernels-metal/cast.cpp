#include "cast.h"

#include "register.h"

namespace ibert::metal {

namespace {

bool isInFours(const Tensor& tensor) {
  return (tensor.dtype == DType::F32 && areAligned({&tensor}, 16)) ||
         (tensor.dtype == DType::BF16 && areAligned({&tensor}, 8));
}

void convert(const Tensor& source, const Tensor& target, Context& context) {
  const CastParameters parameters{target.elements(), numberOf(source), numberOf(target)};
  if (isInFours(source) && isInFours(target))
    return context.elements("convertFours", ceilDivide(parameters.count, 4), {&source, &target}, parameters);
  context.elements("convert", parameters.count, {&source, &target}, parameters);
}

void cast(const Cast& args, Context& context) {
  convert(args.source, args.target, context);
}

void packWeight(const PackWeight& args, Context& context) {
  if (args.packed.dtype != args.source.dtype) return convert(args.source, args.packed, context);
  const int64_t bytes = packedBytes(args.source.dtype, args.source.shape[0], args.source.shape[1]);
  const CastParameters parameters{bytes / 2, 0, 0};
  context.elements("copyPairs", parameters.count, {&args.source, &args.packed}, parameters);
}

bool isReadable(DType dtype) {
  return dtype != DType::F64 && dtype != DType::I32 && dtype != DType::U8;
}
bool isWritable(DType dtype) {
  return isReadable(dtype) && !dtypeInfo(dtype)->quantized;
}

std::string castUnsupported(const Cast& args) {
  if (!isReadable(args.source.dtype)) return std::string("source is ") + dtypeInfo(args.source.dtype)->name;
  if (isWritable(args.target.dtype)) return "";
  return std::string("cannot cast to ") + dtypeInfo(args.target.dtype)->name;
}

std::string packUnsupported(const PackWeight& args) {
  const DType from = args.source.dtype, to = args.packed.dtype;
  if (args.source.layout != Layout::RowMajor) return "source must be row-major";
  if (args.packed.layout != Layout::Packed) return "packed must have the packed layout";
  if (!isReadable(from)) return std::string("source is ") + dtypeInfo(from)->name;
  if (to == from || to == DType::BF16 || to == DType::F32) return "";
  return std::string("packed is ") + dtypeInfo(to)->name + "; it can be source's dtype, bf16 or f32";
}

}  // namespace

int64_t packedBytes(DType dtype, int64_t rows, int64_t columns) {
  return isReadable(dtype) ? rowMajorBytes(dtype, rows * columns, columns) : -1;
}

void registerCast(KernelTable& table) {
  table.set<Cast, cast>(kTwin);
  table.setUnsupported<Cast, castUnsupported>();
  table.set<PackWeight, packWeight>(kTwin);
  table.setUnsupported<PackWeight, packUnsupported>();
}

}  // namespace ibert::metal
