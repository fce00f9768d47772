// What a device holds, and how it is given back: at once when it is freed or its device closed, else when the
// collector comes by.
#include "handles.h"

namespace ibert::bindings {

Resource::Resource(std::shared_ptr<DeviceHandle> owner) : device(std::move(owner)) {
  device->resources.insert(this);
}

Resource::~Resource() {
  device->resources.erase(this);
}

void DeviceHandle::close() noexcept {
  if (closed()) return;
  // One that goes may take others with it.
  while (!resources.empty()) {
    Resource* resource = *resources.begin();
    resources.erase(resource);
    resource->release();
  }
  backend->closeDevice(device);
  device = nullptr;
}

void DeviceHandle::requireOpen() const {
  if (closed()) fail(env, std::string("the device ") + backend->name + " was closed");
}

Memory::Memory(std::shared_ptr<DeviceHandle> owner, int64_t size, bool planned)
    : Resource(std::move(owner)), bytes_(size) {
  if (planned) return;
  Message message{};
  if (device->backend->allocate(device->device, bytes_, &data_, &message) != 0)
    fail(device->env, message.text);
  int64_t total;
  napi_adjust_external_memory(device->env, bytes_, &total);
}

void Memory::release() noexcept {
  if (released_) return;
  released_ = true;
  if (data_ == nullptr) return;
  device->backend->release(device->device, data_);
  data_ = nullptr;
  int64_t total;
  napi_adjust_external_memory(device->env, -bytes_, &total);
}

}  // namespace ibert::bindings
