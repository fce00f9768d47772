// What a running kernel asks about itself.
#include "emulator/launch.h"
#include "emulator/place.h"

namespace ibert::emulator {

Index threadIndexNow() {
  return current->index;
}
Index blockIndexNow() {
  return current->block->index;
}
Extent blockExtentNow() {
  return launchNow->block;
}
Extent gridExtentNow() {
  return launchNow->grid;
}
char* sharedMemoryNow() {
  return current->block->shared;
}
unsigned laneNow() {
  return current->lane;
}
void trap() {
  launchNow->failAt(__builtin_return_address(0), "called __trap()");
}

bool launchKernel(void (*run)(const void*), const void* closure, size_t closureBytes, const void* function,
                  std::source_location where, Extent grid, Extent block, size_t sharedBytes) {
  return runLaunch({run, closure, closureBytes, function, where}, grid, block, sharedBytes);
}

}  // namespace ibert::emulator
