#include <mach/mach.h>
#include <unistd.h>

#include "memory.h"

namespace ibert::platform {

void preferHugePages(void* memory, size_t bytes) {}

void trimHeap() {}

int64_t availableMemory() {
  vm_statistics64_data_t pages{};
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  if (host_statistics64(mach_host_self(), HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&pages), &count) ==
      KERN_SUCCESS) {
    return (static_cast<int64_t>(pages.free_count) + pages.inactive_count + pages.purgeable_count) *
           sysconf(_SC_PAGE_SIZE);
  }
  return physicalMemory();
}

}  // namespace ibert::platform
