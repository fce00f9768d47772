# ibert_platform: all that differs between systems, one header a subject, one source a subject and system. The rest of the
# native code asks here.
set(IBERT_PLATFORM native/platform/processor_id.cpp)
if(CMAKE_SYSTEM_NAME STREQUAL "Windows")
  list(APPEND IBERT_PLATFORM
    native/platform/environment_windows.cpp native/platform/files_windows.cpp native/platform/library_windows.cpp
    native/platform/memory_windows.cpp native/platform/processor_windows.cpp native/platform/text_windows.cpp)
else()
  list(APPEND IBERT_PLATFORM
    native/platform/environment_posix.cpp native/platform/files_posix.cpp native/platform/library_posix.cpp
    native/platform/memory_posix.cpp)
  if(APPLE)
    list(APPEND IBERT_PLATFORM native/platform/memory_darwin.cpp native/platform/processor_darwin.cpp)
  else()
    list(APPEND IBERT_PLATFORM native/platform/memory_linux.cpp native/platform/processor_linux.cpp)
  endif()
endif()
add_library(ibert_platform STATIC ${IBERT_PLATFORM})
target_include_directories(ibert_platform PUBLIC native)
target_compile_definitions(ibert_platform PRIVATE IBERT_LIBRARY_SUFFIX="${CMAKE_SHARED_LIBRARY_SUFFIX}")
target_link_libraries(ibert_platform PUBLIC ${CMAKE_DL_LIBS})
