// Stands in for libcuda.so.1 of some version; IBERT_FAKE_DRIVER makes it crash or hang when it is asked.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

extern "C" __attribute__((visibility("default"))) int cuDriverGetVersion(int* version) {
  const char* fault = std::getenv("IBERT_FAKE_DRIVER");
  const std::string does = fault == nullptr ? "" : fault;
  if (does == "crash") std::raise(SIGSEGV);
  if (does == "fail") return 999;
  while (does == "hang") pause();
  *version = IBERT_FAKE_VERSION;
  return 0;
}
