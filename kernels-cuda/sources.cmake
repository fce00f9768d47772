# The CUDA backend: one set of sources. As C++ over the emulator it is libibert-cuda-emulated, for tests.
file(GLOB IBERT_CUDA_KERNELS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels-cuda/*.cu ${CMAKE_SOURCE_DIR}/kernels-cuda/host/*.cu)
file(GLOB IBERT_CUDA_HOST CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels-cuda/host/*.cpp)

option(IBERT_CUDA_EMULATED "Build the CUDA backend over the emulator, for its tests" ON)
if(IBERT_CUDA_EMULATED AND CMAKE_SYSTEM_NAME STREQUAL "Linux" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_library(ibert_emulated_runtime STATIC native/emulator/runtime/driver.cpp
    native/emulator/runtime/extensions.cpp native/emulator/runtime/runtime.cpp native/emulator/runtime/stream.cpp)
  target_link_libraries(ibert_emulated_runtime PUBLIC ibert_emulator)

  # The emulator's objects come first, not out of its archive: of an inline function of the standard library the linker keeps
  # the first copy, and one that was compiled as part of a kernel is checked as if the kernel had called it.
  add_library(ibert_cuda_emulated SHARED $<TARGET_OBJECTS:ibert_emulator> $<TARGET_OBJECTS:ibert_emulated_runtime> ${IBERT_CUDA_HOST})
  ibert_emulated_kernels(ibert_cuda_emulated ${IBERT_CUDA_KERNELS})
  target_link_libraries(ibert_cuda_emulated PRIVATE ibert_emulated_runtime ibert_host)
  set_target_properties(ibert_cuda_emulated PROPERTIES
    OUTPUT_NAME ibert-cuda-emulated
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/Release)
endif()
