// How the emulator finds the kernels of a .metal file and calls them: CMake writes a file beside each that
// lists its kernels (sources.cmake). What Metal takes from attributes is taken from the order of arguments,
// which grid.h fixes: buffers by index, a struct of parameters, threadgroup memory, PLACE.
#pragma once

#include <metal_stdlib>
#include <tuple>
#include <type_traits>
#include <utility>

#include "emulator/place.h"
#include "entry.h"

namespace ibert::metal {

#define IBERT_UNCHECKED __attribute__((no_sanitize("thread")))

template <auto kFunction>
struct Caller;

template <class... Arguments, void (*kFunction)(Arguments...)>
struct Caller<kFunction> {
  static constexpr size_t kCount = sizeof...(Arguments);
  template <size_t I>
  using Argument = std::tuple_element_t<I, std::tuple<Arguments...>>;

  template <size_t... I>
  static constexpr size_t placeOfParameters(std::index_sequence<I...>) {
    size_t place = kCount;
    ((std::is_reference_v<Argument<I>> ? place = I : place), ...);
    return place;
  }
  static constexpr size_t kParameters = placeOfParameters(std::make_index_sequence<kCount>());
  static_assert(kParameters < kCount, "a kernel has a struct of parameters");
  static_assert(kCount == kParameters + 5 || kCount == kParameters + 6, "a kernel ends with PLACE");
  static constexpr bool kHasMemory = kCount == kParameters + 6;
  using Parameters = std::remove_cvref_t<Argument<kParameters>>;
  static_assert(kParameters <= kMostOperands && sizeof(Parameters) <= kMostParameterBytes);

  template <size_t I>
  IBERT_UNCHECKED static Argument<I> argument(const Call& call) {
    using T = Argument<I>;
    if constexpr (I < kParameters)
      return static_cast<T>(call.operands[I]);
    else if constexpr (I == kParameters)
      return *reinterpret_cast<const Parameters*>(call.parameters);
    else if constexpr (std::is_pointer_v<T>)
      return reinterpret_cast<T>(emulator::sharedMemoryNow());
    else if constexpr (I == kCount - 4)
      return {emulator::blockIndexNow().x, emulator::blockIndexNow().y, emulator::blockIndexNow().z};
    else if constexpr (I == kCount - 3)
      return emulator::threadIndexNow().x;
    else if constexpr (I == kCount - 2)
      return emulator::threadIndexNow().x / 32;
    else
      return emulator::laneNow();
  }

  template <size_t... I>
  IBERT_UNCHECKED static void run(const Call& call, std::index_sequence<I...>) {
    kFunction(argument<I>(call)...);
  }
  IBERT_UNCHECKED static void runAny(const void* call) {
    run(*static_cast<const Call*>(call), std::make_index_sequence<kCount>());
  }

  static Entry entry(const char* name) {
    return {name,   static_cast<int>(kParameters),           sizeof(Parameters), kHasMemory,
            runAny, reinterpret_cast<const void*>(kFunction)};
  }
};

#undef IBERT_UNCHECKED

}  // namespace ibert::metal

#define IBERT_METAL_ENTRY(name) \
  static const bool ibertEntryOf_##name = ibert::metal::addEntry(ibert::metal::Caller<&::name>::entry(#name));
#define IBERT_BF16_METAL_ENTRY(name)      \
  static const bool ibertEntryOf_##name = \
      ibert::metal::addEntry(ibert::metal::Caller<&::inBf16::name>::entry(#name IBERT_BF16_ENTRY));
