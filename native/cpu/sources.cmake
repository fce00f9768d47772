# ibert_cpu: the CPU kernels. Every file in kernels/ is compiled once an instruction set ("level"), in a namespace of its
# own, and chosen at run time (isa.h).
option(IBERT_AMX_EMULATOR "Also build the AMX kernels over emulated tiles, so that tests run them on any AVX-512-BF16 machine" OFF)

file(GLOB IBERT_CPU_KERNELS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/native/cpu/kernels/*.cpp)

add_library(ibert_cpu STATIC native/cpu/backend.cpp native/cpu/isa.cpp native/cpu/fail.cpp native/cpu/constraints.cpp native/cpu/packed.cpp)
target_include_directories(ibert_cpu PUBLIC native)
target_link_libraries(ibert_cpu PUBLIC ibert_host)

# Contraction to FMA and the rest are part of each kernel's contract, whatever the build type; kernels are always
# optimised, also so that no inline function of a shared header survives as a symbol of one level (see fail.h).
# GCC 12 warns of the undefined registers in its own intrinsics (GCC bug 105593).
set(IBERT_CPU_FLAGS -O3 -ffp-contract=fast -fno-trapping-math -Wno-psabi)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND IBERT_CPU_FLAGS -Wno-maybe-uninitialized -Wno-uninitialized)
endif()

set(IBERT_CPU_LEVELS "" CACHE STRING "Build only these levels and generic, to save a developer's time; empty: all of the architecture")

if(IBERT_SANITIZE)
  # Their code is unrolled so far that the sanitizers' checks take minutes a file to compile.
  list(APPEND IBERT_CPU_FLAGS -fno-sanitize=all)
endif()

function(ibert_cpu_level level name)
  if(IBERT_CPU_LEVELS AND NOT level STREQUAL "generic" AND NOT level IN_LIST IBERT_CPU_LEVELS)
    return()
  endif()
  add_library(ibert_cpu_${level} OBJECT ${IBERT_CPU_KERNELS})
  target_include_directories(ibert_cpu_${level} PRIVATE native)
  target_compile_definitions(ibert_cpu_${level} PRIVATE IBERT_ISA=${level} IBERT_ISA_NAME="${name}" IBERT_LEVEL_${level}=1)
  target_compile_options(ibert_cpu_${level} PRIVATE ${IBERT_CPU_FLAGS} ${ARGN})
  target_sources(ibert_cpu PRIVATE $<TARGET_OBJECTS:ibert_cpu_${level}>)
  set(IBERT_HAS_${level} 1 PARENT_SCOPE)
  # No inline function compiled for one instruction set may be the copy that the linker keeps for all.
  if(CMAKE_NM AND NOT level STREQUAL "generic")
    add_test(NAME symbols_${level}
      COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DLEVEL=${level} "-DOBJECTS=$<TARGET_OBJECTS:ibert_cpu_${level}>"
              -P ${CMAKE_SOURCE_DIR}/native/cpu/check_symbols.cmake)
  endif()
endfunction()

set(IBERT_AVX2 -mavx2 -mfma -mf16c -mbmi -mbmi2)
set(IBERT_AVX512 ${IBERT_AVX2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mprefer-vector-width=512)
set(IBERT_AVX512_BF16 ${IBERT_AVX512} -mavx512bf16 -mavx512vnni)

ibert_cpu_level(generic generic)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  ibert_cpu_level(avx2 avx2 ${IBERT_AVX2})
  ibert_cpu_level(avx512 avx512 ${IBERT_AVX512})
  ibert_cpu_level(avx512_bf16 avx512-bf16 ${IBERT_AVX512_BF16})
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    ibert_cpu_level(amx_bf16 amx-bf16 ${IBERT_AVX512_BF16} -mamx-tile -mamx-bf16)
  endif()
  if(IBERT_AMX_EMULATOR)
    ibert_cpu_level(amx_emulated amx-emulated ${IBERT_AVX512_BF16})
  endif()
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  ibert_cpu_level(neon neon)
endif()

foreach(level neon avx2 avx512 avx512_bf16 amx_emulated amx_bf16)
  if(IBERT_HAS_${level})
    target_compile_definitions(ibert_cpu PRIVATE IBERT_HAS_${level}=1)
  else()
    target_compile_definitions(ibert_cpu PRIVATE IBERT_HAS_${level}=0)
  endif()
endforeach()
