// Rotary position embedding (Su et al. 2021), half-split pairs (i, i + headDim / 2).
#include "register.h"
#include "vector.h"

namespace ibert::cuda {

namespace {

constexpr int kThreads = 256;

// The twin: a pair of values a thread. Angles are reduced to one turn in float64: at position 100 000 a
// float32 angle is already wrong in the third digit of its sine. positions: (T), frequencies: (2, half),
// cosSin: (T, 2 half)
__global__ void __launch_bounds__(kThreads) tableTwin(const int32_t* positions, View frequencies, View cosSin,
                                                      float magnitude, int64_t T, int64_t half) {
  constexpr double kHalfTurns = 0.31830988618379067154;  // 1 / pi
  for (int64_t i = firstElement(); i < T * half; i += elementStride()) {
    const int64_t t = i / half, k = i % half;
    const double frequency =
        static_cast<double>(frequencies.at(k)) + static_cast<double>(frequencies.at(half + k));
    const double halfTurns = positions[t] * frequency * kHalfTurns;
    const float rest = static_cast<float>(halfTurns - 2 * rint(halfTurns / 2));  // in [-1, 1]
    cosSin.set(2 * t * half + k, magnitude * cospif(rest));
    cosSin.set((2 * t + 1) * half + k, magnitude * sinpif(rest));
  }
}

struct Sizes {
  int64_t T, C, heads, qHeads, D;
};

// The twin: a pair of values a thread, in place. x: (T, C), cosSin: (T, D), qScale: (T) or absent
__global__ void __launch_bounds__(kThreads)
    rotateTwin(View x, View cosSin, View qScale, float sign, Sizes s) {
  const int64_t half = s.D / 2;
  for (int64_t i = firstElement(); i < s.T * s.heads * half; i += elementStride()) {
    const int64_t t = i / (s.heads * half), head = i / half % s.heads, k = i % half;
    const int64_t low = t * s.C + head * s.D + k, high = low + half;
    const float scale = head < s.qHeads ? qScale.at(t) : 1.0f;
    const float c = cosSin.at(t * s.D + k) * scale, d = cosSin.at(t * s.D + half + k) * sign * scale;
    const float a = x.at(low), b = x.at(high);
    x.set(low, a * c - b * d);
    x.set(high, b * c + a * d);
  }
}

// The fast kernel: eight pairs a thread, sixteen bytes at a time; x is read and written once. D / 2 and C are
// multiples of eight. An element is computed as the twin does it, so that the path does not show.
template <class X>
__global__ void __launch_bounds__(kThreads)
    rotateVector(X* x, const float* cosSin, const float* qScale, float sign, Sizes s) {
  const int64_t half = s.D / 2, vectors = half / kVector;
  for (int64_t i = firstElement(); i < s.T * s.heads * vectors; i += elementStride()) {
    const int64_t t = i / (s.heads * vectors), head = i / vectors % s.heads, k = i % vectors * kVector;
    X* low = x + t * s.C + head * s.D + k;
    const float scale = head < s.qHeads ? qScale[t] : 1.0f;
    const Vector cosines = loadVector(cosSin + t * s.D + k), sines = loadVector(cosSin + t * s.D + half + k);
    Vector a = loadVector(low), b = loadVector(low + half);
    for (int j = 0; j < kVector; ++j) {
      const float c = cosines.at[j] * scale, d = sines.at[j] * sign * scale, first = a.at[j],
                  second = b.at[j];
      a.at[j] = first * c - second * d;
      b.at[j] = second * c + first * d;
    }
    storeVector(low, a);
    storeVector(low + half, b);
  }
}

void table(const RopeTable& args, Context& context) {
  const int64_t T = args.positions.shape[0], half = args.frequencies.shape[1];
  context.require(launch(tableTwin, blocksFor(T * half, kThreads, context.machine), dim3(kThreads), 0,
                         context.stream, args.positions.as<const int32_t>(), view(args.frequencies),
                         view(args.cosSin), args.magnitude, T, half));
}

bool isFast(const Rope& args) {
  return args.headDim % (2 * kVector) == 0 && args.x.shape[1] % kVector == 0 &&
         areAligned({&args.x, &args.cosSin});
}

void rotate(const Rope& args, Context& context) {
  const Sizes sizes{args.x.shape[0], args.x.shape[1], args.heads, args.qHeads, args.headDim};
  if (isFast(args)) {
    return withType(args.x.dtype, [&](auto* x) {
      using X = Pointed<decltype(x)>;
      context.require(
          launch(rotateVector<X>,
                 blocksFor(sizes.T * sizes.heads * sizes.D / (2 * kVector), kThreads, context.machine),
                 dim3(kThreads), 0, context.stream, args.x.as<X>(), args.cosSin.as<const float>(),
                 args.qScale ? args.qScale.as<const float>() : nullptr, args.inverse ? -1.0f : 1.0f, sizes));
    });
  }
  context.require(launch(rotateTwin,
                         blocksFor(sizes.T * sizes.heads * sizes.D / 2, kThreads, context.machine),
                         dim3(kThreads), 0, context.stream, view(args.x), view(args.cosSin),
                         view(args.qScale), args.inverse ? -1.0f : 1.0f, sizes));
}

}  // namespace

void registerRope(KernelTable& all) {
  all.set<RopeTable, table>(kTwin);
  all.set<Rope, rotate>(kVectorPath);
  all.setPathOf<Rope, vectorPath<Rope, isFast>>();
}

}  // namespace ibert::cuda
