// SwiGLU (Shazeer 2020): y = silu(gate) * up. The exponential costs about as much as the memory traffic of
// its row, and overlaps with it.
#include "act.h"
#include "register.h"

namespace ibert::cpu::IBERT_ISA {

namespace {

void forward(const SwigluForward& args, host::Context& context) {
  const int64_t F = args.y.shape[1];
  withTypes(args.gateUp.dtype, args.y.dtype, [&](auto* inType, auto* outType) {
    forRows(context.pool, args.y.shape[0], F, [&](int64_t t) {
      const auto* gate = args.gateUp.as<const std::remove_pointer_t<decltype(inType)>>() + t * 2 * F;
      auto* y = args.y.as<std::remove_pointer_t<decltype(outType)>>() + t * F;
      forVectors(F, [&](int64_t i, int64_t lanes) {
        const Vec g = loadPart(gate + i, lanes), u = loadPart(gate + F + i, lanes);
        storePart(y + i, g * sigmoid(g) * u, lanes);
      });
    });
  });
}

// With s = sigmoid(gate): dUp = dy * gate * s, dGate = dy * up * s * (1 + gate * (1 - s)). Both inputs of a
// column are read before its outputs are written, so that dGateUp may be gateUp.
void backward(const SwigluBackward& args, host::Context& context) {
  const int64_t F = args.dy.shape[1];
  withTypes(
      args.dy.dtype, args.gateUp.dtype, args.dGateUp.dtype, [&](auto* dyType, auto* inType, auto* outType) {
        forRows(context.pool, args.dy.shape[0], F, [&](int64_t t) {
          const auto* dy = args.dy.as<const std::remove_pointer_t<decltype(dyType)>>() + t * F;
          const auto* gate = args.gateUp.as<const std::remove_pointer_t<decltype(inType)>>() + t * 2 * F;
          auto* dGate = args.dGateUp.as<std::remove_pointer_t<decltype(outType)>>() + t * 2 * F;
          forVectors(F, [&](int64_t i, int64_t lanes) {
            const Vec d = loadPart(dy + i, lanes);
            const Vec g = loadPart(gate + i, lanes), u = loadPart(gate + F + i, lanes);
            const Vec s = sigmoid(g);
            const Vec silu = g * s;
            storePart(dGate + i, d * u * fma(silu, broadcast(1.0f) - s, s), lanes);
            storePart(dGate + F + i, d * silu, lanes);
          });
        });
      });
}

}  // namespace

void registerSwiglu(host::KernelTable& table) {
  table.set<SwigluForward, forward>(kPath);
  table.set<SwigluBackward, backward>(kPath);
}

}  // namespace ibert::cpu::IBERT_ISA
