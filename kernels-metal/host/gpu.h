// A device, real or planned, and where its memory lies.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "hardware.h"
#include "kernel.h"

namespace ibert::metal {

// From addresses to the buffers that they lie in.
class AddressMap {
 public:
  void add(GpuBuffer& buffer);
  void remove(const GpuBuffer& buffer);
  // Throws std::out_of_range for what lies in no buffer; no buffer for null.
  Binding find(const void* address) const;

 private:
  mutable std::mutex mutex_;
  std::map<const std::byte*, GpuBuffer*> buffers_;
};

struct Gpu {
  int index = 0;
  Machine machine;
  DeviceInfo info{};                   // but for availableBytes of a real one
  std::shared_ptr<Hardware> hardware;  // null for a planned one, which has neither memory nor streams
  std::shared_ptr<AddressMap> addresses = std::make_shared<AddressMap>();

  DeviceInfo present() const;
  // Throws for a planned one.
  Hardware& use() const;
  // A buffer that `addresses` knows. Throws std::runtime_error that says how much was asked for and how much
  // is free.
  std::unique_ptr<GpuBuffer> allocate(int64_t bytes) const;
  void release(std::unique_ptr<GpuBuffer> buffer) const;
};

Gpu openGpu(int index);
// A chip by its family ("apple7": M1). Throws std::runtime_error that lists the known.
Gpu plannedGpu(const std::string& architecture);

// What a Buffer of this backend is.
struct DeviceBuffer {
  std::byte* memory;
  int64_t bytes;
  int device;
  std::unique_ptr<GpuBuffer> buffer;
};

}  // namespace ibert::metal
