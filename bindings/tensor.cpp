#include <algorithm>
#include <cstdint>

#include "handles.h"

namespace ibert::bindings {

const napi_type_tag kBufferTag = {0x1be27de71ce00002, 0x9d1c5f0a8e3b4c02};
const napi_type_tag kTensorTag = {0x1be27de71ce00003, 0x9d1c5f0a8e3b4c03};

Napi::Function BufferWrap::define(Napi::Env env) {
  return DefineClass(env, "Buffer", {InstanceMethod<&BufferWrap::free>("free")});
}

BufferWrap::BufferWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const std::shared_ptr<DeviceHandle>& device = DeviceWrap::from(info[0]).handle();
  const int64_t bytes = wholeNumber(info[1], "the size of a buffer", 0);
  const bool planned = info[2].ToBoolean();
  device->requireOpen();
  memory_ = std::make_shared<Memory>(device, bytes, planned);
  Value().TypeTag(&kBufferTag);
}

BufferWrap& BufferWrap::from(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kBufferTag))
    fail(value.Env(), "expected a Buffer");
  return *Unwrap(value.As<Napi::Object>());
}

// free(): whether there was still something to free. Work in flight keeps the memory until it is done.
Napi::Value BufferWrap::free(const Napi::CallbackInfo& info) {
  const bool held = memory_ != nullptr && !memory_->released();
  memory_.reset();
  return Napi::Boolean::New(info.Env(), held);
}

Napi::Function TensorWrap::define(Napi::Env env) {
  return DefineClass(env, "Tensor", {});
}

TensorWrap::TensorWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const Napi::Env env = info.Env();
  const BufferWrap& buffer = BufferWrap::from(info[0]);
  const int64_t offset = wholeNumber(info[1], "a tensor's offset", 0);
  if (!info[2].IsArray()) fail(env, "a tensor's shape is not an array");
  const Napi::Array shape = info[2].As<Napi::Array>();
  const uint32_t rank = shape.Length();
  if (rank < 1 || rank > static_cast<uint32_t>(kMaxRank)) fail(env, "a tensor has 1 to 4 dimensions");
  tensor_.rank = static_cast<int32_t>(rank);
  int64_t product = 1;
  for (uint32_t i = 0; i < static_cast<uint32_t>(kMaxRank); ++i) {
    tensor_.shape[i] = i < rank ? wholeNumber(shape.Get(i), "a dimension", 0) : 1;
    // Empty dimensions count as one, so that sizes of parts of the shape cannot overflow either.
    if (__builtin_mul_overflow(product, std::max<int64_t>(tensor_.shape[i], 1), &product) ||
        product > kMaxElements) {
      fail(env, "the tensor has more elements than 2^48");
    }
  }
  tensor_.dtype = static_cast<DType>(wholeNumber(info[3], "a dtype", 0, INT32_MAX));
  tensor_.layout = static_cast<Layout>(wholeNumber(info[4], "a layout", 0, 1));
  // Last, since reading an array may run anything.
  const std::shared_ptr<Memory> memory = buffer.memory();
  if (memory == nullptr || memory->released()) fail(env, "the buffer was freed");
  memory_ = memory;
  if (dtypeInfo(tensor_.dtype) == nullptr) fail(env, "unknown dtype");
  if (tensor_.layout == Layout::Packed) {
    if (tensor_.rank != 2) fail(env, "a packed weight has 2 dimensions");
    bytes_ = memory->device->backend->packedBytes(memory->device->device, tensor_.dtype, tensor_.shape[0],
                                                  tensor_.shape[1]);
  } else {
    bytes_ = rowMajorBytes(tensor_.dtype, tensor_.elements(), tensor_.shape[tensor_.rank - 1]);
  }
  const std::string name = dtypeInfo(tensor_.dtype)->name;
  if (bytes_ < 0) fail(env, "the backend cannot hold a tensor of dtype " + name + " with this shape");
  if (bytes_ > memory->bytes() || offset > memory->bytes() - bytes_) {
    fail(env, "the tensor (" + std::to_string(bytes_) + " bytes at " + std::to_string(offset) +
                  ") does not lie in its buffer of " + std::to_string(memory->bytes()) + " bytes");
  }
  tensor_.buffer = memory->buffer();
  tensor_.offset = offset;
  Value().TypeTag(&kTensorTag);
}

TensorWrap* TensorWrap::tryFrom(napi_env env, napi_value value) {
  bool tagged = false;
  if (napi_check_object_type_tag(env, value, &kTensorTag, &tagged) != napi_ok || !tagged) return nullptr;
  void* wrapped = nullptr;
  if (napi_unwrap(env, value, &wrapped) != napi_ok) return nullptr;
  return static_cast<TensorWrap*>(wrapped);
}

TensorWrap& TensorWrap::from(const Napi::Value& value) {
  TensorWrap* tensor = value.IsObject() ? tryFrom(value.Env(), value) : nullptr;
  if (tensor == nullptr) fail(value.Env(), "expected a Tensor");
  return *tensor;
}

}  // namespace ibert::bindings
