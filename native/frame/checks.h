// What every backend checks before an op is enqueued or recorded.
#pragma once

#include <stdexcept>
#include <string>

#include "../schema.h"
#include "kernel.h"

namespace ibert::frame {

// Why the backend does not run an op with these shapes and dtypes; empty when it does.
template <class Context>
std::string whyUnsupported(const KernelTable<Context>& table, Op op, const void* arguments) {
  const Kernel<Context>& kernel = table.of(op);
  const std::string name = opSchema(op).name;
  if (kernel.run == nullptr) return name + ": the backend " + table.backend + " lacks this op";
  const std::string why = kernel.unsupported == nullptr ? "" : kernel.unsupported(arguments);
  return why.empty() ? "" : name + ": " + why + " (backend " + table.backend + ")";
}

// Throws what is wrong with the arguments of an op that is to run.
template <class Context>
void requireRunnable(const KernelTable<Context>& table, Op op, const void* arguments) {
  checkArguments(op, arguments);
  const std::string why = whyUnsupported(table, op, arguments);
  if (!why.empty()) throw std::runtime_error(why);
}

// The kernel that runs an op, for people; null where there is none. Without arguments that of the op in
// general.
template <class Context>
const char* kernelName(const KernelTable<Context>& table, Op op, const void* arguments,
                       typename Context::Machine machine) {
  const Kernel<Context>& kernel = table.of(op);
  if (kernel.run == nullptr) return nullptr;
  return arguments == nullptr || kernel.pathOf == nullptr ? kernel.path : kernel.pathOf(arguments, machine);
}

}  // namespace ibert::frame
