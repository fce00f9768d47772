# The emulator of a GPU (docs/emulator.md): the core, and how kernels are compiled for it.
add_library(ibert_emulator STATIC
  native/emulator/access.cpp native/emulator/atomics.cpp native/emulator/barrier.cpp native/emulator/copies.cpp
  native/emulator/flags.cpp native/emulator/hooks.cpp native/emulator/kernel_side.cpp native/emulator/launch.cpp
  native/emulator/matrix.cpp native/emulator/meeting.cpp native/emulator/memory.cpp native/emulator/metal/simdgroup.cpp
  native/emulator/order.cpp native/emulator/report.cpp native/emulator/schedules.cpp native/emulator/settings.cpp
  native/emulator/stack.cpp native/emulator/symbols.cpp)
target_include_directories(ibert_emulator PUBLIC native kernels-cuda)
target_link_libraries(ibert_emulator PUBLIC Threads::Threads ${CMAKE_DL_LIBS})

# Kernels as C++, with a call of the emulator before each access of memory (hooks.cpp) and registers that nobody set full of
# rubbish. The thread sanitizer's runtime is not linked. They cannot have the address sanitizer too; the emulator can. Null
# and misaligned pointers are the emulator's to report.
set(IBERT_KERNEL_FLAGS -x c++ -O2 -g1 -fno-sanitize=all -fsanitize=thread -ftrivial-auto-var-init=pattern -fno-strict-aliasing
  -Wno-unknown-pragmas)
if(IBERT_SANITIZE)
  # What runs at every access of a kernel looks at one range of cells, whose ends it has just compared with: sanitizers
  # there cost a third of the suite's time. The slow path behind it (access.cpp, memory.cpp) has them.
  set_source_files_properties(native/emulator/hooks.cpp PROPERTIES COMPILE_OPTIONS -fno-sanitize=all)
  list(APPEND IBERT_KERNEL_FLAGS -fsanitize=undefined -fno-sanitize=null,alignment,object-size -fno-sanitize-recover=all)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Without the splitting of structs: a float4 stays one access.
  list(APPEND IBERT_KERNEL_FLAGS -fno-tree-sra --param=tsan-instrument-func-entry-exit=0)
else()
  list(APPEND IBERT_KERNEL_FLAGS -fno-vectorize -fno-slp-vectorize
    "SHELL:-mllvm -tsan-instrument-func-entry-exit=0" "SHELL:-mllvm -tsan-instrument-read-before-write=1")
endif()

# Compiles .cu and .metal files as C++ into `target`, an existing library or program that may hold other sources.
function(ibert_emulated_kernels target)
  add_library(${target}_kernels OBJECT ${ARGN})
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX)
  target_compile_options(${target}_kernels PRIVATE ${IBERT_KERNEL_FLAGS})
  # Metal's attributes are unknown to C++, and its standard library is a header of the emulator's.
  set(metal ${ARGN})
  list(FILTER metal INCLUDE REGEX "\\.metal$")
  set_source_files_properties(${metal} PROPERTIES COMPILE_OPTIONS "-Wno-attributes;-isystem;${CMAKE_SOURCE_DIR}/native/emulator/metal")
  target_link_libraries(${target}_kernels PRIVATE ibert_emulator)
  target_link_libraries(${target} PRIVATE ${target}_kernels ibert_emulator)
endfunction()

include(native/tests/emulator/sources.cmake)
