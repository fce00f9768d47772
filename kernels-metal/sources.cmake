# The Metal backend. Over the emulator it is libibert-metal-emulated, for tests: the .metal files as C++.
file(GLOB IBERT_METAL_KERNELS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels-metal/*.metal)
file(GLOB IBERT_METAL_HOST CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels-metal/*.cpp ${CMAKE_SOURCE_DIR}/kernels-metal/host/*.cpp)
set(IBERT_METAL_WRITTEN ${CMAKE_BINARY_DIR}/kernels-metal)

# The names of a file's kernels.
function(ibert_kernels_of source names)
  file(STRINGS ${source} found REGEX "^KERNEL [A-Za-z0-9]+\\(")
  list(TRANSFORM found REPLACE "^KERNEL ([A-Za-z0-9]+).*" "\\1")
  set(${names} ${found} PARENT_SCOPE)
endfunction()

if(TARGET ibert_emulated_runtime)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${IBERT_METAL_KERNELS})
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
  endforeach()
  # The emulator's objects come first (kernels-cuda/sources.cmake).
  add_library(ibert_metal_emulated SHARED $<TARGET_OBJECTS:ibert_emulator> ${IBERT_METAL_HOST})
  ibert_emulated_kernels(ibert_metal_emulated ${entries})
  foreach(target ibert_metal_emulated ibert_metal_emulated_kernels)
    target_include_directories(${target} PRIVATE native kernels-metal)
  endforeach()
  target_link_libraries(ibert_metal_emulated PRIVATE ibert_host)
  set_target_properties(ibert_metal_emulated PROPERTIES
    OUTPUT_NAME ibert-metal-emulated
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/Release)
endif()
