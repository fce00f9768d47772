// Cases of loraLinearForward and loraLinearBackward.
#include "cases.h"

namespace ibert::tools {

namespace {

// LoRA of one case: how the rows of W are stacked and which rows have an adapter. rank 0: a plain linear, but
// where `isEmpty`.
struct Lora {
  const char* label = "";
  int64_t rank = 0;
  std::vector<int64_t> slots;  // slot of each segment; empty: one segment
  int64_t adapters = 1;
  bool adapterOfRow = false;
  DType dtype = DType::F32;
  bool keepsXa = true;  // where there is one adapter
  bool isEmpty = false;

  bool isThere() const { return rank > 0 || isEmpty; }
};

const Lora kPlain{"", 0, {}, 1, false};
const Lora kOne{", LoRA", 8, {}, 1, false};
const Lora kStacked{", LoRA on three segments", 4, {0, 1, 2}, 1, false};
const Lora kHoles{", LoRA on q and v", 16, {0, -1, 1}, 1, false};
const Lora kShared{", one slot for two segments", 5, {0, 0}, 1, false};
const Lora kMany{", LoRA of three adapters by row", 8, {-1, 0, 1}, 3, true};
const Lora kOne16{", LoRA in bf16", 8, {}, 1, false, DType::BF16};
const Lora kMany16{", LoRA of three adapters in bf16 by row", 24, {-1, 0, 1}, 3, true, DType::BF16};
const Lora kForgets{", LoRA, x A^T not kept", 8, {0, -1, 1}, 1, false, DType::F32, false};
const Lora kNoRank{", LoRA of rank 0", 0, {}, 1, false, DType::F32, true, true};
const Lora kOddRank{", LoRA of rank 3", 3, {}, 1, false};
const Lora kOneOfTwo{", LoRA on the second slot alone", 8, {-1, 1}, 1, false};
// On both sides of what fits into 32 KB beside tiles of 64, 32 and 8 rows
// (kernels-metal/lora_linear_tiles.cpp).
const Lora kHighRanks[] = {{", LoRA of rank 80", 80},   {", LoRA of rank 81", 81},
                           {", LoRA of rank 192", 192}, {", LoRA of rank 193", 193},
                           {", LoRA of rank 680", 680}, {", LoRA of rank 681", 681}};

enum class Residual { None, Own, Alias };

struct Shape {
  int64_t T, K, N;
};

// Segments of uneven size that end at N.
Ints segmentsOf(const Lora& lora, int64_t N) {
  Ints ends{};
  const auto count = static_cast<int64_t>(lora.slots.size());
  for (int64_t i = 1; i <= count; ++i) ends.values[ends.count++] = i == count ? N : N * i / (count + 1) + 1;
  return ends;
}

Ints slotsOf(const Lora& lora) {
  Ints list{};
  for (int64_t slot : lora.slots) list.values[list.count++] = slot;
  return list;
}

int64_t rowsOfA(const Lora& lora) {
  int64_t slots = lora.slots.empty() ? 1 : 0;
  for (int64_t slot : lora.slots) slots = std::max(slots, slot + 1);
  return slots * lora.rank;
}

struct Weight {
  DType dtype;
  bool packed;
};

Tensor weightOf(Maker& make, Weight weight, const Shape& shape) {
  return weight.packed ? make.packedWeight(weight.dtype, shape.N, shape.K)
                       : make.weight(weight.dtype, shape.N, shape.K);
}

// What goes in (x or dy) and what comes out (y or dx). x A^T has the dtype of what goes in.
struct Dtypes {
  DType in, out;
};

std::string labelOf(Dtypes act, Weight weight, const Shape& shape, const Lora& lora) {
  return named(act.in, {shape.T, shape.K}) + " times " + named(weight.dtype, {shape.N, shape.K}) +
         (weight.packed ? " packed" : "") + into(act.in, act.out) + lora.label;
}

Tensor loraA(Maker& make, const Lora& lora, int64_t K) {
  return make.normal(lora.dtype, {lora.adapters, rowsOfA(lora), K}, 1 / std::sqrt(static_cast<double>(K)));
}

Tensor loraB(Maker& make, const Lora& lora, int64_t N) {
  return make.normal(lora.dtype, {lora.adapters, N, lora.rank}, 0.3);
}

void forwardCase(CaseList& list, Dtypes act, Weight weight, Shape shape, const Lora& lora,
                 Residual residual) {
  const char* names[] = {"", ", residual", ", residual is y"};
  const std::string label = labelOf(act, weight, shape, lora) + names[static_cast<int>(residual)];
  list.push_back({Op::loraLinearForward, label, [=](Maker& make) {
                    const auto [T, K, N] = shape;
                    LoraLinearForward args{};
                    args.scale = 2;
                    args.x = make.normal(act.in, {T, K});
                    args.weight = weightOf(make, weight, shape);
                    args.y = make.normal(act.out, {T, N});
                    if (residual == Residual::Own) args.residual = make.normal(act.out, {T, N});
                    if (residual == Residual::Alias) args.residual = args.y;
                    if (lora.isThere()) {
                      args.loraA = loraA(make, lora, K);
                      args.loraB = loraB(make, lora, N);
                      args.segments = segmentsOf(lora, N);
                      args.slots = slotsOf(lora);
                      if (lora.adapters == 1 && lora.keepsXa)
                        args.xa = make.empty(act.in, {T, rowsOfA(lora)});
                      if (lora.adapterOfRow) args.adapterOfRow = make.indices({T}, -1, lora.adapters);
                    }
                    if (act.in == DType::BF16 && (lora.isThere() || weight.dtype != DType::BF16)) {
                      make.bound("y", kOperands16);
                      make.bound("xa", kOperands16);
                    }
                    make.arguments(args);
                  }});
}

// What the backward pass is asked for.
struct Wanted {
  const char* label;
  bool dx, lora;
};

void backwardCase(CaseList& list, Dtypes act, Weight weight, Shape shape, const Lora& lora, Wanted wanted) {
  list.push_back({Op::loraLinearBackward, labelOf(act, weight, shape, lora) + wanted.label, [=](Maker& make) {
                    const auto [T, K, N] = shape;
                    LoraLinearBackward args{};
                    args.scale = 2;
                    args.dy = make.normal(act.in, {T, N});
                    args.weight = weightOf(make, weight, shape);
                    if (wanted.dx) args.dx = make.empty(act.out, {T, K});
                    if (lora.isThere()) {
                      const int64_t R = rowsOfA(lora);
                      args.loraA = loraA(make, lora, K);
                      args.loraB = loraB(make, lora, N);
                      args.segments = segmentsOf(lora, N);
                      args.slots = slotsOf(lora);
                      if (wanted.lora) {
                        args.x = make.normal(act.in, {T, K});
                        args.xa = make.normal(act.in, {T, R});
                        args.dLoraA = make.normal(DType::F32, {R, K});
                        args.dLoraB = make.normal(DType::F32, {N, lora.rank});
                        // Where one activation is bf16, dy B and a float32 dy may be on their way to tensor
                        // cores.
                        if (act.in == DType::BF16 || act.out == DType::BF16)
                          make.bound("dLoraA", kOperands16);
                        if (act.in != act.out) make.bound("dLoraB", kOperands16);
                      }
                    }
                    if (act.in == DType::BF16 && (lora.isThere() || weight.dtype != DType::BF16)) {
                      make.bound("dx", kOperands16);
                    }
                    make.arguments(args);
                  }});
}

constexpr Wanted kAll{"", true, true};
constexpr Wanted kOnlyDx{", only dx", true, false};
constexpr Wanted kOnlyLora{", no dx", false, true};

// One product of each weight format, plain and with LoRA, at shapes that are no multiple of any tile.
void formatCases(CaseList& list, Dtypes act) {
  const auto both = [&](Weight weight, Shape shape) {
    forwardCase(list, act, weight, shape, kPlain, Residual::None);
    forwardCase(list, act, weight, shape, kHoles, Residual::Own);
    backwardCase(list, act, weight, shape, kHoles, kAll);
  };
  for (const DType dtype : {DType::F32, DType::BF16, DType::F16}) {
    both({dtype, true}, {33, 65, 127});
    both({dtype, false}, {5, 33, 65});
  }
  for (const DType dtype : kBlockFormats) {
    const int64_t K = dtypeInfo(dtype)->blockElements == 32 ? 96 : 512;
    both({dtype, true}, {31, K, 65});
    both({dtype, true}, {1, K, 33});
    both({dtype, false}, {3, K, 31});
  }
}

// From bf16 into the float32 residual stream, which is y and the residual at once (o, down), or into logits
// (the head); and the other way. Rows at both sides of a step of generation.
void mixedCases(CaseList& list) {
  const Weight packed{DType::BF16, true}, blocks{DType::Q4_1, true};
  const Dtypes widen{DType::BF16, DType::F32}, narrow{DType::F32, DType::BF16};
  for (const int64_t T : {int64_t{1}, kExactRows, kExactRows + 1, int64_t{65}}) {
    for (const Lora& lora : {kPlain, kOne, kStacked, kForgets, kMany, kMany16}) {
      forwardCase(list, widen, packed, {T, 129, 100}, lora, Residual::Alias);
    }
    forwardCase(list, widen, blocks, {T, 96, 65}, kOne, Residual::Alias);
    forwardCase(list, widen, packed, {T, 576, 257}, kPlain, Residual::None);
    forwardCase(list, narrow, packed, {T, 129, 100}, kHoles, Residual::Own);
  }
  for (const Dtypes& act : {widen, narrow}) {
    for (const Lora& lora : {kStacked, kHoles}) backwardCase(list, act, packed, {33, 129, 100}, lora, kAll);
    backwardCase(list, act, blocks, {33, 96, 100}, kOne, kAll);
    backwardCase(list, act, packed, {65, 257, 127}, kPlain, kOnlyDx);
  }
}

}  // namespace

void addLinearCases(CaseList& list) {
  const Weight packed{DType::BF16, true};
  for (const DType dtype : kActivations) {
    const Dtypes act{dtype, dtype};
    formatCases(list, act);
    for (const int64_t size : kBoundaries) {
      forwardCase(list, act, packed, {size, 64, 48}, kPlain, Residual::None);
      forwardCase(list, act, packed, {7, size, 48}, kOne, Residual::None);
      forwardCase(list, act, packed, {7, 64, size}, kOne, Residual::None);
      backwardCase(list, act, packed, {size, 64, 48}, kOne, kAll);
      backwardCase(list, act, packed, {7, size, 48}, kOne, kAll);
      backwardCase(list, act, packed, {7, 64, size}, kOne, kAll);
    }
    for (const Lora& lora : {kOne, kStacked, kHoles, kShared, kForgets, kMany, kOddRank, kOne16, kMany16}) {
      forwardCase(list, act, packed, {33, 129, 100}, lora, Residual::None);
      forwardCase(list, act, packed, {65, 576, 257}, lora, Residual::Alias);
      forwardCase(list, act, packed, {1, 576, 960}, lora, Residual::Own);
      if (lora.adapters > 1 || lora.dtype != DType::F32 || !lora.keepsXa) continue;
      backwardCase(list, act, packed, {33, 129, 100}, lora, kAll);
      backwardCase(list, act, packed, {65, 576, 257}, lora, kOnlyLora);
      backwardCase(list, act, packed, {65, 576, 257}, lora, kOnlyDx);
    }
    forwardCase(list, act, packed, {33, 129, 100}, kOneOfTwo, Residual::None);
    backwardCase(list, act, packed, {33, 129, 100}, kOneOfTwo, kAll);
    forwardCase(list, act, packed, {33, 40, 33}, kNoRank, Residual::None);
    backwardCase(list, act, packed, {33, 40, 33}, kNoRank, kAll);
    for (const Lora& lora : kHighRanks) forwardCase(list, act, packed, {65, 40, 33}, lora, Residual::None);
    backwardCase(list, act, packed, {65, 257, 127}, kPlain, kOnlyDx);
    for (const Lora& lora : {kPlain, kMany})
      forwardCase(list, act, packed, {0, 64, 48}, lora, Residual::Alias);
    backwardCase(list, act, packed, {0, 64, 48}, kOne, kAll);
    // Rows of x, and of dy, at multiples of 4096 bytes from each other: they share cache sets, so they are
    // gathered.
    for (const Lora& lora : {kPlain, kStacked}) {
      forwardCase(list, act, packed, {37, 2048, 200}, lora, Residual::Own);
      forwardCase(list, act, {DType::Q4_1, true}, {37, 2048, 200}, lora, Residual::None);
      backwardCase(list, act, packed, {37, 200, 2048}, lora, lora.isThere() ? kAll : kOnlyDx);
    }
    // A step of generation with as many rows as one may have; deep enough for blocks of the depth.
    for (const Lora& lora : {kPlain, kStacked, kMany, kMany16}) {
      for (const DType weight : {DType::F32, DType::F16, DType::BF16}) {
        forwardCase(list, act, {weight, true}, {16, 2601, 100}, lora, Residual::Own);
      }
      for (const DType weight : {DType::Q4_1, DType::Q8_0, DType::Q6_K}) {
        forwardCase(list, act, {weight, true}, {16, 768, 100}, lora, Residual::None);
      }
    }
    // As many rows of W as take more blocks than a GPU runs at once, which wait for x A^T.
    for (const Lora& lora : {kOne, kMany}) {
      forwardCase(list, act, packed, {3, 64, 2400}, lora, Residual::None);
    }
    forwardCase(list, act, {DType::Q4_1, true}, {65, 576, 257}, kStacked, Residual::Alias);
    backwardCase(list, act, {DType::Q4_1, true}, {65, 576, 257}, kStacked, kAll);
  }
  mixedCases(list);
  // More tokens than one part of the sums of dLoraA and dLoraB holds (kernels-cuda/lora_linear_backward.cu).
  const Dtypes bf16{DType::BF16, DType::BF16};
  backwardCase(list, bf16, packed, {1100, 72, 100}, kHoles, kOnlyLora);
  // More tiles than a device runs at once, of which some wait for others.
  forwardCase(list, bf16, packed, {kExactRows + 1, 40, 17100}, kOne, Residual::None);
  backwardCase(list, bf16, packed, {kExactRows + 1, 17100, 40}, kOne, kOnlyDx);
  list.push_back({Op::loraLinearForward, "adapter 3 of 3", [=](Maker& make) {
                    LoraLinearForward args{};
                    args.scale = 1;
                    args.x = make.normal(DType::BF16, {2, 64});
                    args.weight = make.packedWeight(DType::BF16, 48, 64);
                    args.loraA = loraA(make, kMany, 64);
                    args.loraB = loraB(make, kMany, 48);
                    args.segments = segmentsOf(kMany, 48);
                    args.slots = slotsOf(kMany);
                    args.adapterOfRow = make.integers({2}, {-1, 3});
                    args.y = make.empty(DType::BF16, {2, 48});
                    make.arguments(args);
                    make.mustFail("3");
                  }});
}

}  // namespace ibert::tools
