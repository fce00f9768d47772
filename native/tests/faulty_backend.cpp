// The reference with one fault, chosen by IBERT_FAULT: what `ibert-kernels` and the loader must not let pass.
#include <cstdlib>
#include <cstring>

#include "emulator/schedules.h"
#include "host/backend.h"
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

const host::KernelTable& kernels() {
  static const host::KernelTable table = [] {
    host::KernelTable result = reference::kernels();
    result.set<SwigluForward, swigluForward>("faulty");
    result.setUnsupported<SwigluForward, refuse>();
    if (fault("lacking")) result.kernels[static_cast<int>(Op::swigluForward)] = {};
    return result;
  }();
  return table;
}

}  // namespace

}  // namespace ibert::tests

extern "C" __attribute__((visibility("default"))) const ibert::Backend* ibertBackend() {
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
