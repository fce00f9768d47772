// The reference with one fault, chosen by IBERT_FAULT: what `ibert-kernels` and the loader must not let pass.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "emulator/schedules.h"
#include "host/backend.h"
#include "platform/export.h"
#include "reference/reference.h"

namespace ibert::tests {

namespace {

constexpr char kName[] = "faulty";

bool fault(const char* name) {
  const char* chosen = std::getenv("IBERT_FAULT");
  return chosen != nullptr && std::strcmp(chosen, name) == 0;
}

int schedule = 0;
constexpr Schedules kThree{[] { return 3; }, [](int index) { schedule = index % 3; }};

void swigluForward(const SwigluForward& args, host::Context& context) {
  static int runs = 0;
  ++runs;
  const int64_t last = args.y.elements() - 1;
  const double kept = reference::readAt(args.y, last);
  const host::Kernel& right = reference::kernels().kernels[static_cast<int>(Op::swigluForward)];
  right.run(&args, context);
  const double value = reference::readAt(args.y, last);
  if (fault("unwritten")) reference::writeAt(args.y, last, kept);
  if (fault("wrong")) reference::writeAt(args.y, last, value + 1);
  if (fault("behind")) reference::writeAt(args.y, last + 1, 0);
  if (fault("before")) reference::writeAt(args.y, -1, 0);
  if (fault("input")) reference::writeAt(args.gateUp, 0, 0);
  if (fault("threads")) reference::writeAt(args.y, last, context.pool.threads());
  if (fault("odd") && reinterpret_cast<uintptr_t>(args.y.data) % 16 != 0)
    reference::writeAt(args.y, last, value + 1);
  const int64_t T = args.y.shape[0];
  if (fault("neighbours") && T > 1) reference::writeAt(args.y, 0, static_cast<double>(T));
  if (fault("length") && T > kExactRows) reference::writeAt(args.y, 0, static_cast<double>(T));
  // Less than the bound, so that it takes a comparison of the bits.
  if (fault("schedule") && schedule == 2)
    reference::writeAt(args.y, last, value * (1 + 1.0 / 128) + (value == 0));
  if (fault("runs")) reference::writeAt(args.y, last, runs);
}

std::string refuse(const SwigluForward& args) {
  return fault("refuses") && args.y.dtype == DType::BF16 ? "y is bf16" : "";
}

template <class Struct>
void runRight(const Struct& args, host::Context& context) {
  reference::kernels().kernels[static_cast<int>(opOf<Struct>())].run(&args, context);
}

// Multiplies elements [first, end).
void multiply(const Tensor& tensor, int64_t first, int64_t end, double factor) {
  for (int64_t i = first; i < end; ++i) reference::writeAt(tensor, i, factor * reference::readAt(tensor, i));
}

// What `grad` must notice, in float32 and in bf16.
void loraLinearBackward(const LoraLinearBackward& args, host::Context& context) {
  runRight(args, context);
  if (fault("grad-scale")) multiply(args.dLoraB, 0, args.dLoraB.elements(), 1.02);
  if (fault("grad-element")) multiply(args.dx, args.dx.elements() - 1, args.dx.elements(), 1.5);
  if (!fault("grad-slot")) return;
  // What LoRA's first slot adds to dx is left out.
  LoraLinearBackward one = args;
  one.dLoraA = one.dLoraB = {};
  for (int64_t i = 0; i < one.slots.count; ++i)
    if (one.slots.values[i] == 0) one.slots.values[i] = -1;
  runRight(one, context);
}

void rmsNormBackward(const RmsNormBackward& args, host::Context& context) {
  if (!fault("grad-term")) return runRight(args, context);
  const int64_t D = args.dx.shape[1];  // the projection onto x is left out
  for (int64_t i = 0; i < args.dx.elements(); ++i) {
    const double residual = args.dResidual ? reference::readAt(args.dResidual, i) : 0;
    reference::writeAt(args.dx, i,
                       residual + reference::readAt(args.dy, i) * reference::readAt(args.weight, i % D) *
                                      reference::readAt(args.rstd, i / D));
  }
}

void attentionBackward(const AttentionBackward& args, host::Context& context) {
  AttentionBackward changed = args;
  std::vector<double> nothing(static_cast<size_t>(args.y.elements()));
  if (fault("grad-delta")) {  // sum(y * dy) is left out
    changed.y.dtype = DType::F64;
    changed.y.data = nothing.data();
  }
  runRight(changed, context);
  const int64_t columns = args.dqkv.shape[1], end = args.dqkv.elements();
  if (fault("grad-row")) multiply(args.dqkv, end - columns, end, 0);
}

void rope(const Rope& args, host::Context& context) {
  Rope changed = args;
  if (fault("grad-direction")) changed.inverse = 0;
  runRight(changed, context);
}

void swigluBackward(const SwigluBackward& args, host::Context& context) {
  runRight(args, context);
  if (!fault("grad-rounded")) return;
  for (int64_t i = 0; i < args.dGateUp.elements(); ++i)
    reference::writeAt(args.dGateUp, i,
                       reference::fromBf16(reference::toBf16(reference::readAt(args.dGateUp, i))));
}

void linearCrossEntropy(const LinearCrossEntropy& args, host::Context& context) {
  LinearCrossEntropy changed = args;
  if (fault("grad-weight")) changed.tokenWeight = {};
  runRight(changed, context);
}

bool isOfGradients() {
  const char* chosen = std::getenv("IBERT_FAULT");
  return chosen != nullptr && std::strncmp(chosen, "grad-", 5) == 0;
}

// So that `grad` judges it as a device.
std::string refuseF64(const SwigluBackward& args) {
  return args.dy.dtype == DType::F64 ? "no float64" : "";
}

const host::KernelTable& kernels() {
  static const host::KernelTable table = [] {
    host::KernelTable result = reference::kernels();
    result.set<SwigluForward, swigluForward>("faulty");
    result.setUnsupported<SwigluForward, refuse>();
    if (isOfGradients()) {
      result.set<LoraLinearBackward, loraLinearBackward>("faulty");
      result.set<RmsNormBackward, rmsNormBackward>("faulty");
      result.set<AttentionBackward, attentionBackward>("faulty");
      result.set<Rope, rope>("faulty");
      result.set<SwigluBackward, swigluBackward>("faulty");
      result.setUnsupported<SwigluBackward, refuseF64>();
      result.set<LinearCrossEntropy, linearCrossEntropy>("faulty");
    }
    if (fault("lacking")) result.kernels[static_cast<int>(Op::swigluForward)] = {};
    return result;
  }();
  return table;
}

}  // namespace

}  // namespace ibert::tests

IBERT_EXPORT const ibert::Backend* ibertBackend() {
  static const ibert::Backend backend = [] {
    ibert::Backend result = *ibert::host::hostBackend<ibert::tests::kName, ibert::tests::kernels>();
    if (ibert::tests::fault("schedule")) {
      result.extension = [](const char* name) -> const void* {
        return std::strcmp(name, ibert::kSchedules) == 0 ? &ibert::tests::kThree : nullptr;
      };
    }
    if (ibert::tests::fault("abi")) ++result.abiVersion;
    if (ibert::tests::fault("table")) ++result.tableHash;
    return result;
  }();
  return &backend;
}
