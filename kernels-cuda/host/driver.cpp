#include "driver.h"

#include <dlfcn.h>

#include <cstdlib>

namespace ibert::cuda {

namespace {

std::string versionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

void requireDriver(const char* library) {
  void* driver = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) {
    const char* why = dlerror();
    throw Obstructed(Obstacle::NoDriver,
                     std::string("no NVIDIA driver: cannot open ") + library + (why == nullptr ? "" : ": ") +
                         (why == nullptr ? "" : why) +
                         ". Install the driver (nvidia-smi then lists the GPUs); in a container, start it " +
                         "with the NVIDIA container toolkit (--gpus all)");
  }
  // It stays open: a driver that was unloaded and comes again may not work.
  const auto versionOf = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDriverGetVersion"));
  int version = 0;
  if (versionOf == nullptr || versionOf(&version) != 0) {
    throw Obstructed(Obstacle::DriverBroken,
                     std::string(library) +
                         " is no working NVIDIA driver: cuDriverGetVersion fails. Install the driver anew");
  }
  if (version < kOldestDriver) {
    throw Obstructed(Obstacle::DriverTooOld, "the NVIDIA driver is too old: it runs CUDA up to " +
                                                 versionText(version) + ", and this library needs " +
                                                 versionText(kOldestDriver) +
                                                 ". Install driver 580 or later");
  }
}

void requireCode(const std::string& name, int architecture) {
  if (architecture >= kLowestArchitecture) return;
  throw Obstructed(Obstacle::Architecture,
                   name + " has compute capability " + std::to_string(architecture / 10) + "." +
                       std::to_string(architecture % 10) + ", and this library has code for " +
                       std::to_string(kLowestArchitecture / 10) + "." +
                       std::to_string(kLowestArchitecture % 10) +
                       " and later (A100, RTX 30 and newer); the backend cpu runs on any machine");
}

void throwNoDevice() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  throw Obstructed(Obstacle::NoDevice,
                   visible != nullptr
                       ? std::string("the NVIDIA driver shows no device, and CUDA_VISIBLE_DEVICES is \"") +
                             visible + "\": unset it, or name one that nvidia-smi -L lists"
                       : "the NVIDIA driver shows no device: see whether nvidia-smi -L lists one; in a "
                         "container, start it "
                         "with --gpus all");
}

void throwBrokenDriver(const std::string& why) {
  throw Obstructed(Obstacle::DriverBroken,
                   "the NVIDIA driver does not work: " + why +
                       ". See what nvidia-smi says; after an update of the driver, restart the machine");
}

}  // namespace ibert::cuda
