#include "perf_cases.h"

#include <cmath>

namespace ibert::tools {

namespace {

constexpr DType kAct = DType::BF16;
constexpr DType kF32 = DType::F32;

struct Model {
  const char* name;
  int64_t hidden, heads, kvHeads, headDim, intermediate, vocabulary;

  int64_t qkv() const { return (heads + 2 * kvHeads) * headDim; }
};

constexpr Model kSmol{"smollm2-135m", 576, 9, 3, 64, 1536, 49152};
constexpr Model kDevstral{"devstral-small", 5120, 32, 8, 128, 32768, 131072};

double bytesOf(DType dtype, double elements) {
  const DTypeInfo* info = dtypeInfo(dtype);
  return elements / info->blockElements * info->blockBytes;
}

// A weight whose rows repeat: what is timed does not depend on the values, and drawing them takes long.
Tensor rowsThatRepeat(Maker& make, DType dtype, int64_t N, int64_t K) {
  const int64_t few = std::min<int64_t>(N, 16);
  const Tensor source = make.weight(dtype, few, K);
  const Tensor tensor = make.empty(dtype, {N, K});
  const int64_t bytes = rowMajorBytes(dtype, K, K);
  for (int64_t n = 0; n < N; ++n) {
    std::memcpy(tensor.as<std::byte>() + n * bytes, source.as<std::byte>() + n % few * bytes, bytes);
  }
  return tensor;
}
Tensor quickWeight(Maker& make, DType dtype, int64_t N, int64_t K) {
  return make.packed(rowsThatRepeat(make, dtype, N, K), dtype);
}

class Table {
 public:
  std::vector<PerfCase> cases;

  void add(Op op, const std::string& label, double flop, double bytes, bool bf16,
           std::function<void(Maker&)> make) {
    cases.push_back({{op, label, std::move(make)}, flop, bytes, bf16});
  }

  // rank 0: a plain linear
  void linear(const char* model, const char* layer, int64_t T, int64_t K, int64_t N, DType weight,
              int64_t rank) {
    const double flop = 2.0 * T * (static_cast<double>(N) * K + rank * (K + N));
    const double bytes =
        bytesOf(weight, static_cast<double>(N) * K) + 2.0 * T * (K + N) + 4.0 * rank * (K + N);
    const std::string label = std::string(model) + " " + layer + " T=" + std::to_string(T) + " " +
                              dtypeInfo(weight)->name + (rank ? " rank " + std::to_string(rank) : "");
    add(Op::loraLinearForward, label, flop, bytes, true, [=](Maker& make) {
      LoraLinearForward args{};
      args.x = make.normal(kAct, {T, K});
      args.weight = quickWeight(make, weight, N, K);
      args.y = make.empty(kAct, {T, N});
      args.scale = 2;
      if (rank > 0) {
        args.loraA = make.normal(kF32, {1, rank, K}, 0.02);
        args.loraB = make.normal(kF32, {1, N, rank}, 0.02);
        args.xa = make.empty(kAct, {T, rank});
      }
      make.arguments(args);
    });
    if (rank == 0 || T == 1) return;
    const double backward = 2.0 * T * (static_cast<double>(N) * K + 2.0 * rank * (K + N));
    add(Op::loraLinearBackward, label, backward, bytes + 2.0 * T * K + 8.0 * rank * (K + N), true,
        [=](Maker& make) {
          LoraLinearBackward args{};
          args.dy = make.normal(kAct, {T, N});
          args.weight = quickWeight(make, weight, N, K);
          args.x = make.normal(kAct, {T, K});
          args.xa = make.normal(kAct, {T, rank});
          args.loraA = make.normal(kF32, {1, rank, K}, 0.02);
          args.loraB = make.normal(kF32, {1, N, rank}, 0.02);
          args.dx = make.empty(kAct, {T, K});
          args.dLoraA = make.empty(kF32, {rank, K});
          args.dLoraB = make.empty(kF32, {N, rank});
          args.scale = 2;
          make.arguments(args);
        });
  }

  // Rows of `length` tokens, packed. A causal score costs half of a full one.
  void attention(const Model& model, int64_t T, int64_t length) {
    const double scores = 0.5 * T * length * model.heads;
    const std::string label =
        std::string(model.name) + " T=" + std::to_string(T) + " in rows of " + std::to_string(length);
    const auto forward = [=](Maker& make) {
      std::vector<int32_t> offsets;
      for (int64_t t = 0; t <= T; t += length) offsets.push_back(static_cast<int32_t>(t));
      AttentionForward args{};
      args.qkv = make.normal(kAct, {T, model.qkv()});
      args.offsets = make.integers({static_cast<int64_t>(offsets.size())}, offsets);
      args.y = make.empty(kAct, {T, model.heads * model.headDim});
      args.lse = make.normal(kF32, {T, model.heads}, 0.1, std::log(static_cast<double>(length)));
      args.heads = model.heads;
      args.kvHeads = model.kvHeads;
      args.headDim = model.headDim;
      args.scale = 1 / std::sqrt(static_cast<double>(model.headDim));
      return args;
    };
    const double rows = 2.0 * T * (model.qkv() + model.heads * model.headDim);
    add(Op::attentionForward, label, 4 * scores * model.headDim, rows, true,
        [=](Maker& make) { make.arguments(forward(make)); });
    add(Op::attentionBackward, label, 10 * scores * model.headDim, 2 * rows, true, [=](Maker& make) {
      const AttentionForward before = forward(make);
      make.arguments(AttentionBackward{make.normal(kAct, {T, model.heads * model.headDim}), before.qkv,
                                       make.normal(kAct, {T, model.heads * model.headDim}), before.lse,
                                       before.offsets, make.empty(kAct, {T, model.qkv()}), before.heads,
                                       before.kvHeads, before.headDim, before.scale});
    });
  }

  // The last `rows` of `length` tokens of each of `sequences` in the cache: one in plain decoding, several
  // where guesses are checked together.
  void paged(const Model& model, int64_t sequences, int64_t length, int64_t rows, DType cache) {
    const int64_t W = 16, M = length / W, T = sequences * rows;
    const double read = bytesOf(cache, 2.0 * sequences * length * model.kvHeads * model.headDim);
    const double flop = 4.0 * T * length * model.heads * model.headDim;
    add(Op::pagedAttention,
        std::string(model.name) + " " + std::to_string(sequences) + " x " + std::to_string(length) +
            " tokens, " + (rows == 1 ? "" : std::to_string(rows) + " rows, ") + dtypeInfo(cache)->name,
        flop, read, true, [=](Maker& make) {
          PagedAttention args{};
          args.qkv = make.normal(kAct, {T, model.qkv()});
          args.kCache = make.normal(cache, {sequences * M, model.kvHeads, W, model.headDim});
          args.vCache = make.normal(cache, {sequences * M, model.kvHeads, W, model.headDim});
          args.blockTable = make.empty(DType::I32, {sequences, M});
          args.rowSequence = make.empty(DType::I32, {T});
          args.rowPosition = make.empty(DType::I32, {T});
          for (int64_t i = 0; i < sequences * M; ++i)
            args.blockTable.as<int32_t>()[i] = static_cast<int32_t>(i);
          for (int64_t t = 0; t < T; ++t) {
            args.rowSequence.as<int32_t>()[t] = static_cast<int32_t>(t / rows);
            args.rowPosition.as<int32_t>()[t] = static_cast<int32_t>(length - rows + t % rows);
          }
          args.y = make.empty(kAct, {T, model.heads * model.headDim});
          args.heads = model.heads;
          args.kvHeads = model.kvHeads;
          args.headDim = model.headDim;
          args.scale = 1 / std::sqrt(static_cast<double>(model.headDim));
          make.arguments(args);
        });
  }

  void loss(const Model& model, int64_t T, DType weight) {
    const double V = static_cast<double>(model.vocabulary);
    add(Op::linearCrossEntropy,
        std::string(model.name) + " T=" + std::to_string(T) + " " + dtypeInfo(weight)->name,
        4.0 * T * V * model.hidden, bytesOf(weight, V * model.hidden) + 4.0 * T * model.hidden, true,
        [=](Maker& make) {
          LinearCrossEntropy args{};
          args.x = make.normal(kAct, {T, model.hidden});
          args.weight = quickWeight(make, weight, model.vocabulary, model.hidden);
          args.targets = make.indices({T}, 0, model.vocabulary);
          args.loss = make.empty(kF32, {T});
          args.dx = make.empty(kAct, {T, model.hidden});
          args.gradScale = 1;
          make.arguments(args);
        });
  }

  // Ops that only move values: their measure is the bandwidth.
  void rowwise(const Model& model, int64_t T) {
    const int64_t D = model.hidden, F = model.intermediate;
    const double x = 2.0 * T * D, gate = 2.0 * T * F;
    const std::string label = std::string(model.name) + " T=" + std::to_string(T);
    add(Op::rmsNormForward, label, 4.0 * T * D, 2 * x, false, [=](Maker& make) {
      make.arguments(RmsNormForward{make.normal(kAct, {T, D}), make.normal(kF32, {D}),
                                    make.empty(kAct, {T, D}), make.empty(kF32, {T}), 1e-5});
    });
    add(Op::rmsNormBackward, label, 8.0 * T * D, 4 * x, false, [=](Maker& make) {
      RmsNormBackward args{};
      args.dy = make.normal(kAct, {T, D});
      args.x = make.normal(kAct, {T, D});
      args.weight = make.normal(kF32, {D});
      args.rstd = make.uniform(kF32, {T});
      args.dResidual = make.normal(kAct, {T, D});
      args.dx = make.empty(kAct, {T, D});
      make.arguments(args);
    });
    add(Op::swigluForward, label, 5.0 * T * F, 3 * gate, false, [=](Maker& make) {
      make.arguments(SwigluForward{make.normal(kAct, {T, 2 * F}), make.empty(kAct, {T, F})});
    });
    add(Op::swigluBackward, label, 10.0 * T * F, 5 * gate, false, [=](Maker& make) {
      make.arguments(SwigluBackward{make.normal(kAct, {T, F}), make.normal(kAct, {T, 2 * F}),
                                    make.empty(kAct, {T, 2 * F})});
    });
    const int64_t rotated = (model.heads + model.kvHeads) * model.headDim;
    add(Op::rope, label, 3.0 * T * rotated, 4.0 * T * rotated, false, [=](Maker& make) {
      make.arguments(Rope{make.normal(kAct, {T, model.qkv()}), make.normal(kF32, {T, model.headDim}, 0.7),
                          Tensor{}, model.heads + model.kvHeads, model.headDim, 0, 0});
    });
    add(Op::embedding, label + " q4_1", 0, bytesOf(DType::Q4_1, static_cast<double>(T) * D) + x, false,
        [=](Maker& make) {
          Embedding args{make.indices({T}, 0, 4096), make.weight(DType::Q4_1, 4096, D),
                         make.empty(kAct, {T, D})};
          make.arguments(args);
        });
  }

  // Counts what is read and what is written.
  void packing(const Model& model, DType dtype) {
    const int64_t N = 4096, K = model.hidden;
    add(Op::packWeight, std::string(model.name) + " " + std::to_string(N) + " rows " + dtypeInfo(dtype)->name,
        0, 2 * bytesOf(dtype, static_cast<double>(N) * K), false, [=](Maker& make) {
          Tensor packed = make.empty(dtype, {N, K});
          packed.layout = Layout::Packed;
          make.arguments(PackWeight{rowsThatRepeat(make, dtype, N, K), packed});
        });
  }

  void optimizer(int64_t P) {
    const std::string label = std::to_string(P) + " parameters";
    add(Op::gradNorm, label, 2.0 * P, 4.0 * P, false,
        [=](Maker& make) { make.arguments(GradNorm{make.empty(kF32, {P}), make.empty(kF32, {1})}); });
    add(Op::adamW, label, 15.0 * P, 28.0 * P, false, [=](Maker& make) {
      AdamW args{};
      args.param = make.empty(kF32, {P});
      args.grad = make.empty(kF32, {P});
      args.m = make.empty(kF32, {P});
      args.v = make.empty(kF32, {P});
      args.norm = make.values(kF32, {1}, {1});
      args.lr = 1e-4, args.beta1 = 0.9, args.beta2 = 0.999, args.eps = 1e-8, args.gradScale = 1,
      args.step = 1;
      make.arguments(args);
    });
  }

  void sample(int64_t V, const char* label, double temperature, double topP, int64_t topK) {
    add(Op::sample, std::to_string(V) + " ids, " + label, 4.0 * V, 4.0 * V, false, [=](Maker& make) {
      Sample args{};
      args.logits = make.normal(kF32, {1, V}, 3);
      args.uniform = make.uniform(kF32, {1});
      args.ids = make.empty(DType::I32, {1});
      args.temperature = make.values(kF32, {1}, {temperature});
      args.topP = make.values(kF32, {1}, {topP});
      args.topK = make.integers({1}, {static_cast<int32_t>(topK)});
      make.arguments(args);
    });
  }
};

}  // namespace

std::vector<PerfCase> perfCases() {
  Table table;
  for (const int64_t T : {2048, 1}) {
    for (const DType weight : {DType::BF16, DType::Q4_1}) {
      table.linear(kSmol.name, "qkv", T, kSmol.hidden, kSmol.qkv(), weight, 32);
      table.linear(kSmol.name, "gate-up", T, kSmol.hidden, 2 * kSmol.intermediate, weight, 0);
      table.linear(kSmol.name, "down", T, kSmol.intermediate, kSmol.hidden, weight, 32);
    }
    table.rowwise(kSmol, T);
  }
  table.linear(kSmol.name, "head", 1, kSmol.hidden, kSmol.vocabulary, DType::BF16, 0);
  table.loss(kSmol, 512, DType::BF16);
  table.attention(kSmol, 2048, 512);
  table.attention(kSmol, 2048, 2048);
  for (const DType cache : {DType::BF16, DType::Q8_0}) {
    table.paged(kSmol, 1, 1024, 1, cache);
    table.paged(kSmol, 16, 1024, 1, cache);
    table.paged(kDevstral, 1, 4096, 1, cache);
    table.paged(kDevstral, 1, 4096, 8, cache);
  }
  for (const DType dtype : {DType::F32, DType::BF16, DType::F16}) table.packing(kDevstral, dtype);
  for (const DType dtype : kBlockFormats) table.packing(kDevstral, dtype);
  table.optimizer(16 << 20);
  table.sample(kSmol.vocabulary, "temperature 0.7, top-k 40, top-p 0.9", 0.7, 0.9, 40);
  table.sample(kDevstral.vocabulary, "greedy", 0, 1, 0);
  table.sample(kDevstral.vocabulary, "temperature 0.2", 0.2, 1, 0);
  table.sample(kDevstral.vocabulary, "temperature 0.2, top-p 0.95", 0.2, 0.95, 0);
  table.sample(kDevstral.vocabulary, "temperature 1", 1, 1, 0);
  table.sample(kDevstral.vocabulary, "temperature 1, top-p 0.5", 1, 0.5, 0);
  table.sample(kDevstral.vocabulary, "temperature 2, top-k 1000", 2, 1, 1000);
  for (const DType weight : {DType::BF16, DType::Q4_K, DType::Q8_0}) {
    table.linear(kDevstral.name, "qkv", 256, kDevstral.hidden, kDevstral.qkv(), weight, 32);
    table.linear(kDevstral.name, "down", 256, kDevstral.intermediate, kDevstral.hidden, weight, 0);
    table.linear(kDevstral.name, "down", 1, kDevstral.intermediate, kDevstral.hidden, weight, 0);
  }
  table.attention(kDevstral, 256, 256);
  table.rowwise(kDevstral, 256);
  return table.cases;
}

}  // namespace ibert::tools
