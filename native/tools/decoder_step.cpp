#include "decoder_step.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "random.h"

namespace ibert::tools {

namespace {

constexpr DType kAct = DType::BF16;
constexpr double kEps = 1e-5;
constexpr double kLoraScale = 2;
constexpr int64_t kAlignment = 64;  // elements, as lib/models/lora.ts has it

const char* const kGroupNames[] = {"qkv", "o", "gate-up", "down"};

Tensor part(const Tensor& flat, std::initializer_list<int64_t> shape, int64_t element) {
  Tensor view = flat;
  view.rank = 0;
  std::fill_n(view.shape, kMaxRank, 1);
  for (const int64_t size : shape) view.shape[view.rank++] = size;
  view.offset = flat.offset + element * dtypeInfo(flat.dtype)->blockBytes;
  return view;
}

uint16_t bf16Of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>((bits + 0x8000) >> 16);
}

int64_t bytesOf(const Tensor& tensor) {
  return rowMajorBytes(tensor.dtype, tensor.elements(), tensor.shape[tensor.rank - 1]);
}

}  // namespace

Tensor DecoderStep::empty(DType dtype, std::initializer_list<int64_t> shape) {
  Tensor tensor{};
  tensor.dtype = dtype;
  std::fill_n(tensor.shape, kMaxRank, 1);
  for (const int64_t size : shape) tensor.shape[tensor.rank++] = size;
  const int64_t bytes = bytesOf(tensor);
  tensor.buffer = session_.allocate(std::max<int64_t>(bytes, 1));
  buffers_.push_back(tensor.buffer);
  bytes_ += bytes;
  return tensor;
}

void DecoderStep::upload(const Tensor& tensor, const void* host) {
  session_.toDevice(tensor.buffer, tensor.offset, host, bytesOf(tensor));
}

Tensor DecoderStep::random(DType dtype, std::initializer_list<int64_t> shape, double scale) {
  const Tensor tensor = empty(dtype, shape);
  Random numbers(seed_++);
  std::vector<std::byte> host(bytesOf(tensor));
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    const auto value = static_cast<float>(scale * (2 * numbers.uniform() - 1));
    if (dtype == DType::BF16) {
      reinterpret_cast<uint16_t*>(host.data())[i] = bf16Of(value);
    } else {
      reinterpret_cast<float*>(host.data())[i] = value;
    }
  }
  upload(tensor, host.data());
  return tensor;
}

// Numbers of either sign whose products with unit inputs have unit variance or a little less. The bits
// themselves are drawn, four elements at a time, since there may be billions; and all differ, since zeros and
// repetitions make a chip run faster than real weights do.
Tensor DecoderStep::randomWeight(int64_t rows, int64_t columns) {
  // Exponents e to e + 3 alike: the root of the mean square is 2^e times 7.04.
  const auto exponent =
      static_cast<uint64_t>(127 + std::lround(std::log2(1 / (7.04 * std::sqrt(double(columns))))));
  const uint64_t base = exponent << 7;
  std::vector<uint16_t> host(rows * columns);
  Random numbers(seed_++);
  for (size_t i = 0; i < host.size(); i += 4) {
    uint64_t bits = numbers.next();
    for (size_t j = i; j < std::min(i + 4, host.size()); ++j, bits >>= 16)
      host[j] = static_cast<uint16_t>((bits & 0x8000) | (base + (bits & 0x1ff)));
  }
  const Tensor tensor = empty(DType::BF16, {rows, columns});
  upload(tensor, host.data());
  return tensor;
}

Tensor DecoderStep::packed(const Tensor& source) {
  Tensor target = source;
  target.layout = Layout::Packed;
  const int64_t bytes = session_.packedBytes(source.dtype, source.shape[0], source.shape[1]);
  if (bytes < 0) throw std::runtime_error("the backend packs no bf16 weights");
  target.buffer = session_.allocate(bytes);
  target.offset = 0;
  buffers_.push_back(target.buffer);
  bytes_ += bytes;
  const PackWeight args{source, target};
  session_.enqueue(Op::packWeight, &args);
  session_.synchronize();
  return target;
}

DecoderStep::DecoderStep(Session& session, const StepShape& shape) : session_(session), shape_(shape) {
  const int64_t T = shape.tokens, D = shape.hidden, F = shape.intermediate, H = shape.heads * shape.headDim;
  try {
    // The weights of all layers are equal and lie apart, so that each is read from memory.
    const int64_t sizes[kGroups][2] = {{shape.qkv(), D}, {D, H}, {2 * F, D}, {D, F}};
    layers_.resize(shape.layers);
    for (int group = 0; group < kGroups; ++group) {
      const Tensor source = randomWeight(sizes[group][0], sizes[group][1]);
      for (Layer& layer : layers_) layer.weights[group] = packed(source);
      session_.release(source.buffer);
      std::erase(buffers_, source.buffer);
      bytes_ -= bytesOf(source);
    }
    for (Layer& layer : layers_) {
      layer.inputNorm = random(DType::F32, {D}, 1);
      layer.middleNorm = random(DType::F32, {D}, 1);
      for (Tensor* tensor : {&layer.input, &layer.middle}) *tensor = activation(D);
      for (Tensor* tensor : {&layer.rstdInput, &layer.rstdMiddle}) *tensor = empty(DType::F32, {T});
      layer.qkv = activation(shape.qkv());
      layer.attention = activation(H);
      layer.lse = empty(DType::F32, {T, shape.heads});
      layer.gateUp = activation(2 * F);
    }
    makeAdapters();

    std::vector<int32_t> positions(T), offsets, targets(T);
    for (int64_t t = 0; t < T; ++t) {
      positions[t] = static_cast<int32_t>(t % shape.length);
      if (t % shape.length == 0) offsets.push_back(static_cast<int32_t>(t));
      targets[t] = static_cast<int32_t>(shape.vocabulary > 0 ? t * 7919 % shape.vocabulary : -1);
    }
    offsets.push_back(static_cast<int32_t>(T));
    const auto integers = [&](const std::vector<int32_t>& values) {
      const Tensor tensor = empty(DType::I32, {static_cast<int64_t>(values.size())});
      upload(tensor, values.data());
      return tensor;
    };
    positions_ = integers(positions);
    offsets_ = integers(offsets);
    targets_ = integers(targets);
    const int64_t half = shape.headDim / 2;
    std::vector<float> frequencies(2 * half);
    for (int64_t i = 0; i < half; ++i)
      frequencies[i] = static_cast<float>(std::pow(1e6, -static_cast<double>(i) / static_cast<double>(half)));
    frequencies_ = empty(DType::F32, {2, half});
    upload(frequencies_, frequencies.data());
    cosSin_ = empty(DType::F32, {T, shape.headDim});

    start_ = random(DType::F32, {T, D}, 1);
    startGradient_ = random(kAct, {T, D}, 1e-3);
    h_ = empty(DType::F32, {T, D});
    for (Tensor* tensor : {&dh_, &x_, &normed_, &dx_}) *tensor = activation(D);
    for (Tensor* tensor : {&gated_, &dGated_}) *tensor = activation(F);
    dAttention_ = activation(H);
    dqkv_ = activation(shape.qkv());
    if (shape.vocabulary > 0) {
      const Tensor source = randomWeight(shape.vocabulary, D);
      headWeight_ = packed(source);
      session_.release(source.buffer);
      std::erase(buffers_, source.buffer);
      bytes_ -= bytesOf(source);
      finalNorm_ = random(DType::F32, {D}, 1);
      losses_ = empty(DType::F32, {T});
      rstdFinal_ = empty(DType::F32, {T});
    }
  } catch (...) {
    for (Buffer* buffer : buffers_) session_.release(buffer);
    throw;
  }
}

DecoderStep::~DecoderStep() {
  for (Buffer* buffer : buffers_) session_.release(buffer);
}

// All parameters in one flat buffer, as lib/models/lora.ts has it.
void DecoderStep::makeAdapters() {
  const int64_t D = shape_.hidden, F = shape_.intermediate, H = shape_.heads * shape_.headDim,
                r = shape_.rank;
  if (r == 0) return;
  const int64_t kv = shape_.kvHeads * shape_.headDim;
  struct Place {
    std::vector<int64_t> outputs;
    int64_t inputs;
  };
  const Place places[kGroups] = {{{H, kv, kv}, D}, {{D}, H}, {{F, F}, D}, {{D}, F}};
  const auto aligned = [](int64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; };
  const auto forEach = [&](auto&& body) {
    int64_t size = 0;
    for (Layer& layer : layers_)
      for (int group = 0; group < (shape_.allTargets ? kGroups : kGateUp); ++group) {
        const Place& place = places[group];
        const auto slots = static_cast<int64_t>(place.outputs.size());
        int64_t rows = 0;
        for (const int64_t output : place.outputs) rows += output;
        const int64_t a = size, b = aligned(a + slots * r * place.inputs);
        size = aligned(b + rows * r);
        body(layer, group, place, slots, rows, a, b);
      }
    return size;
  };
  const int64_t size = forEach([](auto&&...) {});
  params_ = random(DType::F32, {size}, 0.02);
  for (Tensor* tensor : {&grads_, &firstMoment_, &secondMoment_}) {
    *tensor = empty(DType::F32, {size});
    session_.fill(tensor->buffer, 0, 0, bytesOf(*tensor));
  }
  norm_ = empty(DType::F32, {1});
  forEach(
      [&](Layer& layer, int group, const Place& place, int64_t slots, int64_t rows, int64_t a, int64_t b) {
        Lora& lora = layer.lora[group];
        lora.a = part(params_, {1, slots * r, place.inputs}, a);
        lora.b = part(params_, {1, rows, r}, b);
        lora.dA = part(grads_, {slots * r, place.inputs}, a);
        lora.dB = part(grads_, {rows, r}, b);
        int64_t end = 0;
        for (const int64_t output : place.outputs) {
          lora.slots.values[lora.slots.count++] = lora.segments.count;
          lora.segments.values[lora.segments.count++] = end += output;
        }
        layer.xa[group] = activation(slots * r);
      });
}

template <class Struct>
void DecoderStep::call(const char* part, const Struct& args, double flop) {
  constexpr Op op = opOf<Struct>();
  flop_ += flop;
  const auto enqueue = [&] { session_.enqueue(op, &args); };
  if (!observer_) return enqueue();
  observer_({op, part, flop, session_.kernelName(op, &args)}, enqueue);
}

void DecoderStep::norm(const Tensor& x, const Tensor& weight, const Tensor& y, const Tensor& rstd) {
  call("", RmsNormForward{x, weight, y, rstd, kEps});
}

void DecoderStep::linear(Layer& layer, Group group, const Tensor& x, const Tensor& y,
                         const Tensor& residual) {
  const Lora& lora = layer.lora[group];
  LoraLinearForward args{};
  args.x = x;
  args.weight = layer.weights[group];
  args.residual = residual;
  args.y = y;
  args.scale = kLoraScale;
  double flop = static_cast<double>(args.weight.elements());
  if (lora.a) {
    args.loraA = lora.a;
    args.loraB = lora.b;
    args.xa = layer.xa[group];
    args.segments = lora.segments;
    args.slots = lora.slots;
    flop += static_cast<double>(lora.a.elements() + lora.b.elements());
  }
  call(kGroupNames[group], args, 2.0 * static_cast<double>(shape_.tokens) * flop);
}

void DecoderStep::linearBackward(Layer& layer, Group group, const Tensor& dy, const Tensor& dx,
                                 const Tensor& x) {
  const Lora& lora = layer.lora[group];
  LoraLinearBackward args{};
  args.dy = dy;
  args.weight = layer.weights[group];
  args.dx = dx;
  args.scale = kLoraScale;
  double flop = dx ? static_cast<double>(args.weight.elements()) : 0;
  if (lora.a) {
    args.x = x;
    args.xa = layer.xa[group];
    args.loraA = lora.a;
    args.loraB = lora.b;
    args.dLoraA = lora.dA;
    args.dLoraB = lora.dB;
    args.segments = lora.segments;
    args.slots = lora.slots;
    flop += 2.0 * static_cast<double>(lora.a.elements() + lora.b.elements());
  }
  call(kGroupNames[group], args, 2.0 * static_cast<double>(shape_.tokens) * flop);
}

AttentionForward DecoderStep::attentionOf(const Layer& layer) const {
  return {layer.qkv,    offsets_,       layer.attention, layer.lse,
          shape_.heads, shape_.kvHeads, shape_.headDim,  1 / std::sqrt(static_cast<double>(shape_.headDim))};
}

void DecoderStep::begin() {
  flop_ = 0;
  if (grads_) session_.fill(grads_.buffer, 0, 0, bytesOf(grads_));
  call("the start", Cast{start_, h_});
  call("", RopeTable{positions_, frequencies_, cosSin_, 1});
}

void DecoderStep::layerForward(Layer& layer) {
  const int64_t rotated = shape_.heads + shape_.kvHeads;
  call("a layer's input", Cast{h_, layer.input});
  norm(h_, layer.inputNorm, x_, layer.rstdInput);
  linear(layer, kQkv, x_, layer.qkv, Tensor{});
  call("", Rope{layer.qkv, cosSin_, Tensor{}, rotated, shape_.headDim, 0, 0});
  const double scores =
      0.5 * static_cast<double>(shape_.tokens * std::min(shape_.length, shape_.tokens) * shape_.heads);
  call("", attentionOf(layer), 4 * scores * static_cast<double>(shape_.headDim));
  linear(layer, kO, layer.attention, h_, h_);
  call("a layer's input", Cast{h_, layer.middle});
  norm(h_, layer.middleNorm, x_, layer.rstdMiddle);
  linear(layer, kGateUp, x_, layer.gateUp, Tensor{});
  call("", SwigluForward{layer.gateUp, gated_});
  linear(layer, kDown, gated_, h_, h_);
}

void DecoderStep::layerBackward(Layer& layer, bool first) {
  const int64_t rotated = shape_.heads + shape_.kvHeads;
  if (layer.lora[kDown].a) call("again", SwigluForward{layer.gateUp, gated_});
  linearBackward(layer, kDown, dh_, dGated_, gated_);
  call("", SwigluBackward{dGated_, layer.gateUp, layer.gateUp});
  if (layer.lora[kGateUp].a) norm(layer.middle, layer.middleNorm, normed_, Tensor{});
  linearBackward(layer, kGateUp, layer.gateUp, dx_, normed_);
  call("", RmsNormBackward{dx_, layer.middle, layer.middleNorm, layer.rstdMiddle, dh_, dh_});

  linearBackward(layer, kO, dh_, dAttention_, layer.attention);
  const AttentionForward forward = attentionOf(layer);
  const double scores =
      0.5 * static_cast<double>(shape_.tokens * std::min(shape_.length, shape_.tokens) * shape_.heads);
  call("",
       AttentionBackward{dAttention_, layer.qkv, layer.attention, layer.lse, offsets_, dqkv_, forward.heads,
                         forward.kvHeads, forward.headDim, forward.scale},
       10 * scores * static_cast<double>(shape_.headDim));
  call("back", Rope{dqkv_, cosSin_, Tensor{}, rotated, shape_.headDim, 1, 0});
  if (first && !layer.lora[kQkv].a) return;
  if (layer.lora[kQkv].a) norm(layer.input, layer.inputNorm, normed_, Tensor{});
  linearBackward(layer, kQkv, dqkv_, first ? Tensor{} : dx_, normed_);
  if (!first) call("", RmsNormBackward{dx_, layer.input, layer.inputNorm, layer.rstdInput, dh_, dh_});
}

void DecoderStep::forward() {
  for (Layer& layer : layers_) layerForward(layer);
}

void DecoderStep::head() {
  if (shape_.vocabulary == 0) {
    call("the gradient", Cast{startGradient_, dh_});
    return;
  }
  norm(h_, finalNorm_, x_, rstdFinal_);
  LinearCrossEntropy args{};
  args.x = x_;
  args.weight = headWeight_;
  args.targets = targets_;
  args.loss = losses_;
  args.dx = dx_;
  args.gradScale = 1;
  call("", args, 4.0 * static_cast<double>(shape_.tokens) * static_cast<double>(headWeight_.elements()));
  call("the head's", RmsNormBackward{dx_, h_, finalNorm_, rstdFinal_, Tensor{}, dh_});
}

void DecoderStep::backward() {
  for (size_t i = layers_.size(); i-- > 0;) layerBackward(layers_[i], i == 0);
}

void DecoderStep::optimize(int64_t step) {
  if (!grads_) return;
  call("", GradNorm{grads_, norm_});
  AdamW args{};
  args.param = params_;
  args.grad = grads_;
  args.m = firstMoment_;
  args.v = secondMoment_;
  args.norm = norm_;
  args.lr = 1e-4;
  args.beta1 = 0.9;
  args.beta2 = 0.999;
  args.eps = 1e-8;
  args.maxNorm = 1;
  args.gradScale = 1 / static_cast<double>(shape_.tokens);
  args.step = step;
  call("", args);
}

double DecoderStep::loss() {
  if (shape_.vocabulary == 0) return 0;
  std::vector<float> losses(shape_.tokens);
  session_.toHost(losses.data(), losses_.buffer, 0, bytesOf(losses_));
  double sum = 0;
  for (const float loss : losses) sum += loss;
  return sum / static_cast<double>(shape_.tokens);
}

double DecoderStep::gradNorm() {
  if (!grads_) return 0;
  float norm = 0;
  session_.toHost(&norm, norm_.buffer, 0, sizeof norm);
  return norm;
}

}  // namespace ibert::tools
