# The Metal backend. Over the emulator it is libibert-metal-emulated, for tests: the .metal files as C++. For a Mac it is
# libibert-metal, which holds the kernels' text in a source file that is written here; native/tests/metal_mac_test.cpp holds
# the host's side to what can be seen elsewhere.
file(GLOB IBERT_METAL_KERNELS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels-metal/*.metal)
file(GLOB IBERT_METAL_HEADERS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels-metal/*.h)
file(GLOB IBERT_METAL_HOST CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels-metal/*.cpp ${CMAKE_SOURCE_DIR}/kernels-metal/host/*.cpp)
set(IBERT_METAL_WRITTEN ${CMAKE_BINARY_DIR}/kernels-metal)

# The names of a file's kernels.
function(ibert_kernels_of source names)
  file(STRINGS ${source} found REGEX "^KERNEL [A-Za-z0-9]+\\(")
  list(TRANSFORM found REPLACE "^KERNEL ([A-Za-z0-9]+).*" "\\1")
  set(${names} ${found} PARENT_SCOPE)
endfunction()

set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${IBERT_METAL_KERNELS} ${IBERT_METAL_HEADERS})
set(texts)
set(names)
set(kernels)
set(number 0)
foreach(source ${IBERT_METAL_KERNELS})
  get_filename_component(name ${source} NAME)
  file(READ ${source} text)
  # Each header where it is first asked for.
  set(seen)
  while(text MATCHES "#include \"([a-z_]+\\.h)\"\n")
    set(line "${CMAKE_MATCH_0}")
    set(header "${CMAKE_MATCH_1}")
    set(body)
    if(NOT header IN_LIST seen)
      list(APPEND seen ${header})
      file(READ ${CMAKE_SOURCE_DIR}/kernels-metal/${header} body)
      string(REPLACE "#pragma once\n" "" body "${body}")
    endif()
    string(FIND "${text}" "${line}" begin)
    string(LENGTH "${line}" length)
    math(EXPR end "${begin} + ${length}")
    string(SUBSTRING "${text}" 0 ${begin} before)
    string(SUBSTRING "${text}" ${end} -1 after)
    set(text "${before}${body}${after}")
  endwhile()
  set(IBERT_METAL_TEXT_${name} "${text}")  # for native/tests/metal_faults.cmake
  string(APPEND texts "    R\"metal(${text})metal\",\n")
  string(APPEND names "    \"${name}\",\n")
  ibert_kernels_of(${source} found)
  foreach(kernel ${found})
    string(APPEND kernels "    {\"${kernel}\", ${number}},\n")
  endforeach()
  math(EXPR number "${number} + 1")
endforeach()
file(CONFIGURE OUTPUT ${IBERT_METAL_WRITTEN}/source.cpp @ONLY CONTENT "#include \"host/source.h\"

namespace ibert::metal {

const KernelSource kKernelSources[] = {
${kernels}};
const int kKernelCount = sizeof kKernelSources / sizeof *kKernelSources;
const char* const kSourceNames[] = {
${names}};
const char* const kSourceTexts[] = {
${texts}};
const int kSourceCount = ${number};

}  // namespace ibert::metal
")

if(APPLE AND CMAKE_SYSTEM_PROCESSOR STREQUAL "arm64")
  set(host ${IBERT_METAL_HOST})
  list(FILTER host EXCLUDE REGEX "/emulated\\.cpp$")
  add_library(ibert_metal SHARED ${host} ${IBERT_METAL_WRITTEN}/source.cpp)
  target_include_directories(ibert_metal PRIVATE native kernels-metal)
  target_link_libraries(ibert_metal PRIVATE ibert_host)
  set_target_properties(ibert_metal PROPERTIES
    OUTPUT_NAME ibert-metal
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/Release)
endif()

if(TARGET ibert_emulated_runtime)
  # Beside each .metal file one that lists its kernels for the host.
  set(entries)
  foreach(source ${IBERT_METAL_KERNELS})
    get_filename_component(name ${source} NAME)
    set(text "#include \"host/entries.h\"\n#include \"${name}\"\n\n")
    ibert_kernels_of(${source} found)
    foreach(kernel ${found})
      string(APPEND text "IBERT_METAL_ENTRY(${kernel})\n")
    endforeach()
    file(CONFIGURE OUTPUT ${IBERT_METAL_WRITTEN}/entries_of_${name} CONTENT "${text}" @ONLY)
    list(APPEND entries ${IBERT_METAL_WRITTEN}/entries_of_${name})
    # The same text for bf16, where it makes a difference.
    if(IBERT_METAL_TEXT_${name} MATCHES "IBERT_BF16_TILES")
      set(text "#define IBERT_BF16_TILES\n#include \"host/entries.h\"\n")
      string(APPEND text "namespace inBf16 {\n${IBERT_METAL_TEXT_${name}}\n}  // namespace inBf16\n\n")
      foreach(kernel ${found})
        string(APPEND text "IBERT_BF16_METAL_ENTRY(${kernel})\n")
      endforeach()
      file(CONFIGURE OUTPUT ${IBERT_METAL_WRITTEN}/bf16_entries_of_${name} CONTENT "${text}" @ONLY)
      list(APPEND entries ${IBERT_METAL_WRITTEN}/bf16_entries_of_${name})
    endif()
  endforeach()
  # The emulator's objects come first (kernels-cuda/sources.cmake).
  set(host ${IBERT_METAL_HOST})
  list(FILTER host EXCLUDE REGEX "/(apple|objc)\\.cpp$")
  add_library(ibert_metal_emulated SHARED $<TARGET_OBJECTS:ibert_emulator> ${host})
  ibert_emulated_kernels(ibert_metal_emulated ${entries})
  foreach(target ibert_metal_emulated ibert_metal_emulated_kernels)
    target_include_directories(${target} PRIVATE native kernels-metal)
  endforeach()
  target_link_libraries(ibert_metal_emulated PRIVATE ibert_host)
  set_target_properties(ibert_metal_emulated PROPERTIES
    OUTPUT_NAME ibert-metal-emulated
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/Release)
endif()
