#include "objc.h"

#include <dlfcn.h>

#include <mutex>
#include <stdexcept>
#include <string>

namespace ibert::metal::objc {

void* messageSend = nullptr;

namespace {

struct Runtime {
  Id (*getClass)(const char*);
  void* (*registerName)(const char*);
  void* (*push)();
  void (*pop)(void*);
  void* metal;
};
Runtime runtime;

void* opened(const char* library) {
  void* handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    throw std::runtime_error(std::string("no Metal here: cannot open ") + library + ": " +
                             (why == nullptr ? "no reason given" : why));
  }
  return handle;
}

template <class Function>
void look(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) throw std::runtime_error(std::string("no Metal here: ") + name + " is missing");
}

}  // namespace

void load() {
  static std::once_flag once;
  std::call_once(once, [] {
    void* library = opened("/usr/lib/libobjc.A.dylib");
    opened("/System/Library/Frameworks/Foundation.framework/Foundation");
    // Without it the system gives a program that draws nothing no device.
    opened("/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics");
    runtime.metal = opened("/System/Library/Frameworks/Metal.framework/Metal");
    look(library, "objc_getClass", runtime.getClass);
    look(library, "sel_registerName", runtime.registerName);
    look(library, "objc_autoreleasePoolPush", runtime.push);
    look(library, "objc_autoreleasePoolPop", runtime.pop);
    look(library, "objc_msgSend", messageSend);
  });
}

void* metalFunction(const char* name) {
  return dlsym(runtime.metal, name);
}
Id classNamed(const char* name) {
  return runtime.getClass(name);
}
void* selectorNamed(const char* name) {
  return runtime.registerName(name);
}
void* pushPool() {
  return runtime.push();
}
void popPool(void* pool) {
  runtime.pop(pool);
}

}  // namespace ibert::metal::objc
