// A training step of a stack of decoder layers on synthetic weights, op by op as lib/models/layer.ts enqueues
// it: for times and memory of shapes whose weights are not at hand, without Node.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "session.h"

namespace ibert::tools {

// The defaults are Devstral Small's, half of its layers.
struct StepShape {
  int64_t layers = 20, tokens = 4096,
          length = 4096;  // sequences of `length` tokens, the last one what is left
  int64_t hidden = 5120, heads = 32, kvHeads = 8, headDim = 128, intermediate = 32768;
  int64_t vocabulary = 131072;  // 0: no head; the gradient at the last layer's output is then given
  int64_t rank = 32;            // of LoRA on q, k, v, o; with allTargets on gate, up and down too
  int64_t allTargets = 0;

  int64_t qkv() const { return (heads + 2 * kvHeads) * headDim; }
};

class DecoderStep {
 public:
  // An op that was enqueued. `part` says which of its kind: "qkv", "gate-up".
  struct Call {
    Op op;
    const char* part;
    double flop;
    const char* kernel;
  };
  using Observer = std::function<void(const Call&, const std::function<void()>& enqueue)>;

  // Allocates and fills all that a step needs. Throws std::runtime_error when the device has too little
  // memory or lacks an op.
  DecoderStep(Session& session, const StepShape& shape);
  ~DecoderStep();
  DecoderStep(const DecoderStep&) = delete;
  DecoderStep& operator=(const DecoderStep&) = delete;

  // The four parts of a step. `begin` comes first.
  void begin();
  void forward();
  void head();
  void backward();
  void optimize(int64_t step);

  // Whoever enqueues each op from now on; null: they are enqueued at once.
  void observe(Observer observer) { observer_ = std::move(observer); }

  double loss();                         // mean over the tokens; 0 without a head
  double gradNorm();                     // of the last `optimize`
  double flop() const { return flop_; }  // of the ops since `begin`
  int64_t bytes() const { return bytes_; }

 private:
  enum Group { kQkv, kO, kGateUp, kDown, kGroups };
  struct Lora {
    Tensor a, b, dA, dB;  // absent where the group has none
    Ints segments, slots;
  };
  struct Layer {
    Tensor inputNorm, middleNorm;
    std::array<Tensor, kGroups> weights;
    std::array<Lora, kGroups> lora;
    // Kept for the way back.
    Tensor input, rstdInput, qkv, attention, lse, middle, rstdMiddle, gateUp;
    std::array<Tensor, kGroups> xa;
  };

  Tensor empty(DType dtype, std::initializer_list<int64_t> shape);
  Tensor activation(int64_t columns) { return empty(DType::BF16, {shape_.tokens, columns}); }
  Tensor packed(const Tensor& source);
  Tensor random(DType dtype, std::initializer_list<int64_t> shape, double scale);
  Tensor randomWeight(int64_t rows, int64_t columns);
  void upload(const Tensor& tensor, const void* host);
  void makeAdapters();
  template <class Struct>
  void call(const char* part, const Struct& args, double flop = 0);
  void norm(const Tensor& x, const Tensor& weight, const Tensor& y, const Tensor& rstd);
  void linear(Layer& layer, Group group, const Tensor& x, const Tensor& y, const Tensor& residual);
  void linearBackward(Layer& layer, Group group, const Tensor& dy, const Tensor& dx, const Tensor& x);
  void layerForward(Layer& layer);
  void layerBackward(Layer& layer, bool first);
  AttentionForward attentionOf(const Layer& layer) const;

  Session& session_;
  StepShape shape_;
  std::vector<Buffer*> buffers_;
  std::vector<Layer> layers_;
  Tensor positions_{}, frequencies_{}, cosSin_{}, offsets_{}, targets_{};
  Tensor start_{}, startGradient_{}, h_{}, dh_{}, x_{}, normed_{}, gated_{}, dGated_{}, dAttention_{},
      dqkv_{}, dx_{};
  Tensor finalNorm_{}, headWeight_{}, losses_{}, rstdFinal_{};
  Tensor params_{}, grads_{}, firstMoment_{}, secondMoment_{}, norm_{};
  Observer observer_;
  uint64_t seed_ = 1;
  double flop_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace ibert::tools
