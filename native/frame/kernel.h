// What a backend supplies: one Kernel per op. Argument checks, error texts and the choice by the op's number
// are the frame's and the same for all backends, so that a kernel file holds nothing but its kernel.
//
// Context is what a kernel is handed beside its arguments, and Context::Machine what the size of its scratch
// memory depends on.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "../backend.h"

namespace ibert::frame {

template <class Context>
struct Kernel {
  // Runs the op, or enqueues it. Arguments have passed checkArguments. Throws std::exception on content that
  // no index rule covers.
  void (*run)(const void* arguments, Context& context) = nullptr;
  // Scratch bytes for these shapes; null: none.
  int64_t (*workspace)(const void* arguments, typename Context::Machine machine) = nullptr;
  // Why these dtypes or layouts do not run; an empty text: they do. Null: everything that passes
  // checkArguments runs.
  std::string (*unsupported)(const void* arguments) = nullptr;
  // The chosen path, e.g. "avx512-bf16".
  const char* path = nullptr;
  // The path by the arguments and the machine, where there are several.
  const char* (*pathOf)(const void* arguments, typename Context::Machine machine) = nullptr;
};

// All that differs between two backends of one kind.
template <class Context>
struct KernelTable {
  using Machine = typename Context::Machine;

  const char* backend;       // "cpu"
  const char* architecture;  // "avx512-bf16"
  Kernel<Context> kernels[kOpCount];
  int64_t (*packedBytes)(DType dtype, int64_t rows, int64_t columns);

  const Kernel<Context>& of(Op op) const { return kernels[static_cast<int>(op)]; }

  // Files of one op each register themselves through typed setters:
  //   table.set<Rope, rope>(path)
  template <class Struct, void (*Run)(const Struct&, Context&)>
  Kernel<Context>& set(const char* path) {
    Kernel<Context>& kernel = at<Struct>();
    kernel.run = [](const void* arguments, Context& context) {
      Run(*static_cast<const Struct*>(arguments), context);
    };
    kernel.path = path;
    return kernel;
  }
  template <class Struct, int64_t (*Workspace)(const Struct&, Machine machine)>
  void setWorkspace() {
    at<Struct>().workspace = [](const void* arguments, Machine machine) {
      return Workspace(*static_cast<const Struct*>(arguments), machine);
    };
  }
  template <class Struct, std::string (*Unsupported)(const Struct&)>
  void setUnsupported() {
    at<Struct>().unsupported = [](const void* arguments) {
      return Unsupported(*static_cast<const Struct*>(arguments));
    };
  }
  // PathOf(args) or PathOf(args, machine)
  template <class Struct, auto PathOf>
  void setPathOf() {
    at<Struct>().pathOf = []([[maybe_unused]] const void* arguments, [[maybe_unused]] Machine machine) {
      const auto& args = *static_cast<const Struct*>(arguments);
      if constexpr (std::is_invocable_v<decltype(PathOf), const Struct&>)
        return PathOf(args);
      else
        return PathOf(args, machine);
    };
  }

 private:
  template <class Struct>
  Kernel<Context>& at() {
    return kernels[static_cast<int>(opOf<Struct>())];
  }
};

}  // namespace ibert::frame
