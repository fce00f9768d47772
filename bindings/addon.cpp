// The addon's exports. One instance an environment: worker threads and repeated loads each get their own
// objects; only the table of open backend libraries is shared by the process.
#include <cmath>
#include <cstdio>

#include "cpu/backend.h"
#include "handles.h"
#include "loader.h"

namespace ibert::bindings {

void fail(napi_env env, const std::string& text) {
  throw Napi::Error::New(env, text);
}

int64_t wholeNumber(const Napi::Value& value, const std::string& what, int64_t low, int64_t high) {
  double number = 0;
  const bool is = value.IsNumber() && napi_get_value_double(value.Env(), value, &number) == napi_ok &&
                  number == std::floor(number) && number >= static_cast<double>(low) &&
                  number <= static_cast<double>(high);
  if (is) return static_cast<int64_t>(number);
  const std::string range = low == -kMostNumber && high == kMostNumber
                                ? ""
                                : " from " + std::to_string(low) + " to " + std::to_string(high);
  fail(value.Env(), what + " is not a whole number" + range);
}

namespace {

// { name, elementBlock, blockBytes } in the order of the dtype numbers.
Napi::Value describeDTypes(const Napi::CallbackInfo& info) {
  Napi::Array list = Napi::Array::New(info.Env());
  for (int32_t i = 0; dtypeInfo(static_cast<DType>(i)) != nullptr; ++i) {
    const DTypeInfo* dtype = dtypeInfo(static_cast<DType>(i));
    Napi::Object entry = Napi::Object::New(info.Env());
    entry["name"] = dtype->name;
    entry["blockElements"] = dtype->blockElements;
    entry["blockBytes"] = dtype->blockBytes;
    list[static_cast<uint32_t>(i)] = entry;
  }
  return list;
}

// What this binary was built from; lib/ takes no other than its own (lib/runtime/addon-file.ts).
Napi::Value describeBuild(Napi::Env env) {
  char table[17];
  std::snprintf(table, sizeof table, "%016llx", static_cast<unsigned long long>(opTableHash()));
  Napi::Object build = Napi::Object::New(env);
  build["version"] = IBERT_VERSION;
  build["opTable"] = static_cast<const char*>(table);
  build["backendAbi"] = kBackendAbiVersion;
  return build;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  registerBuiltinBackend(cpu::cpuBackend());
  exports["build"] = describeBuild(env);
  exports["Device"] = DeviceWrap::define(env);
  exports["Buffer"] = BufferWrap::define(env);
  exports["Tensor"] = TensorWrap::define(env);
  exports["Stream"] = StreamWrap::define(env);
  exports["describeOps"] = Napi::Function::New(env, describeOps);
  exports["describeDTypes"] = Napi::Function::New(env, describeDTypes);
  exports["opensDriver"] = Napi::Function::New(env, opensDriver);
  exports["probeBackend"] = Napi::Function::New(env, probeBackend);
  exports["checkOp"] = Napi::Function::New(env, checkOp);
  exports["mapFile"] = Napi::Function::New(env, mapFile);
  exports["unmapFile"] = Napi::Function::New(env, unmapFile);
  exports["trimHeap"] = Napi::Function::New(env, trimHeap);
  exports["deviceMemory"] = Napi::Function::New(env, deviceMemory);
  return exports;
}

}  // namespace

NODE_API_MODULE(ibert, initialize)

}  // namespace ibert::bindings
