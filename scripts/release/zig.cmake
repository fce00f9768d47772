# CMake toolchain of releases: clang as zig brings it, with the headers and libraries of every system that is built for.
# build.mjs says what for: IBERT_ZIG_TOOLS (a folder with c++, ar and ranlib), IBERT_SYSTEM and IBERT_PROCESSOR.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES IBERT_ZIG_TOOLS IBERT_SYSTEM IBERT_PROCESSOR)
set(CMAKE_SYSTEM_NAME ${IBERT_SYSTEM})
set(CMAKE_SYSTEM_PROCESSOR ${IBERT_PROCESSOR})
set(CMAKE_CXX_COMPILER ${IBERT_ZIG_TOOLS}/c++)
set(CMAKE_AR ${IBERT_ZIG_TOOLS}/ar)
set(CMAKE_RANLIB ${IBERT_ZIG_TOOLS}/ranlib)
# The C++ library is linked in and offered to nobody; no table of local symbols stays.
set(CMAKE_CXX_FLAGS_INIT "-fvisibility-inlines-hidden -Wno-unknown-warning-option")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "-Wl,-s")
if(IBERT_SYSTEM STREQUAL "Darwin")
  # Node has the symbols that an addon is left with.
  string(APPEND CMAKE_SHARED_LINKER_FLAGS_INIT " -Wl,-undefined,dynamic_lookup")
  # A library's own name, in place of where it was built.
  set(CMAKE_BUILD_WITH_INSTALL_NAME_DIR ON)
  set(CMAKE_INSTALL_NAME_DIR @rpath)
endif()
# Nothing of the machine that builds.
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
