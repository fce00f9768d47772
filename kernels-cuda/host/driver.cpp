#include "driver.h"

#include <dlfcn.h>

#include <cstdlib>

namespace ibert::cuda {

namespace {

std::string versionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

std::string driverProblem(const char* library) {
  void* driver = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) {
    const char* why = dlerror();
    return std::string("no NVIDIA driver: cannot open ") + library + (why == nullptr ? "" : ": ") +
           (why == nullptr ? "" : why) +
           ". Install the driver (nvidia-smi then lists the GPUs); in a container, start it with " +
           "the NVIDIA container toolkit (--gpus all)";
  }
  const auto versionOf = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDriverGetVersion"));
  int version = 0;
  std::string problem;
  if (versionOf == nullptr || versionOf(&version) != 0) {
    problem = std::string(library) +
              " is no working NVIDIA driver: cuDriverGetVersion fails. Install the driver anew";
  } else if (version < kOldestDriver) {
    problem = "the NVIDIA driver is too old: it runs CUDA up to " + versionText(version) +
              ", and this library needs " + versionText(kOldestDriver) + ". Install driver 580 or later";
  }
  return problem;  // it stays open: a driver that was unloaded and comes again may not work
}

std::string codeProblem(const std::string& name, int architecture) {
  if (architecture >= kLowestArchitecture) return "";
  return name + " has compute capability " + std::to_string(architecture / 10) + "." +
         std::to_string(architecture % 10) + ", and this library has code for " +
         std::to_string(kLowestArchitecture / 10) + "." + std::to_string(kLowestArchitecture % 10) +
         " and later (A100, RTX 30 and newer); the backend cpu runs on any machine";
}

std::string noDeviceProblem() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible != nullptr) {
    return std::string("the NVIDIA driver shows no device, and CUDA_VISIBLE_DEVICES is \"") + visible +
           "\": unset it, or name one that nvidia-smi -L lists";
  }
  return "the NVIDIA driver shows no device: see whether nvidia-smi -L lists one; in a container, start it "
         "with "
         "--gpus all";
}

}  // namespace ibert::cuda
