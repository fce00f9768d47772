// Turns a KernelTable into a Backend: devices with a thread pool, streams as native threads, aligned memory.
#pragma once

#include "kernel.h"

namespace ibert::host {

// `tables` chooses the kernels when a device opens (so that IBERT_CPU_ISA can be refused with a message): it
// throws std::runtime_error when this machine cannot run what is asked for. The result lives for the whole
// process; a backend library calls this once per name.
template <const char* Name, const KernelTable& (*Choose)()>
const Backend* hostBackend();

// The parts that do not depend on the table.
Backend hostBackendTemplate(const char* name);
int openHostDevice(const KernelTable& (*choose)(), const DeviceOptions* options, Device** device,
                   Message* message);
int probeHost(const KernelTable& (*choose)(), Message* message);

template <const char* Name, const KernelTable& (*Choose)()>
const Backend* hostBackend() {
  static const Backend backend = [] {
    Backend result = hostBackendTemplate(Name);
    result.probe = [](Message* message) { return probeHost(Choose, message); };
    result.openDevice = [](const DeviceOptions* options, Device** device, Message* message) {
      return openHostDevice(Choose, options, device, message);
    };
    return result;
  }();
  return &backend;
}

}  // namespace ibert::host
