// What a device holds, and how it is given back: at once when it is freed or its device closed, else when the
// collector comes by.
#include <atomic>

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

namespace {

std::atomic<int64_t> deviceBytes{0};

// The memory of host devices is what V8 would count if it were an array's; that of others is no less scarce.
void count(napi_env env, int64_t change) {
  deviceBytes += change;
  int64_t total;
  napi_adjust_external_memory(env, change, &total);
}

}  // namespace

// deviceMemory(): { held: bytes of device memory in this process, external: all that V8 was told of in this
// environment, the device memory of it included }.
Napi::Value deviceMemory(const Napi::CallbackInfo& info) {
  int64_t external = 0;
  napi_adjust_external_memory(info.Env(), 0, &external);
  Napi::Object result = Napi::Object::New(info.Env());
  result["held"] = static_cast<double>(deviceBytes.load());
  result["external"] = static_cast<double>(external);
  return result;
}

Memory::Memory(std::shared_ptr<DeviceHandle> owner, int64_t size, bool planned)
    : Resource(std::move(owner)), bytes_(size) {
  if (planned) return;
  Message message{};
  if (device->backend->allocate(device->device, bytes_, &buffer_, &message) != 0)
    fail(device->env, message.text);
  count(device->env, bytes_);
}

void Memory::release() noexcept {
  if (released_) return;
  released_ = true;
  if (buffer_ == nullptr) return;
  device->backend->release(device->device, buffer_);
  buffer_ = nullptr;
  count(device->env, -bytes_);
}

}  // namespace ibert::bindings
