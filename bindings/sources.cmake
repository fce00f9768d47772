# ibert.node: the N-API glue. cmake-js gives the Node-API headers; node-addon-api is headers alone.
execute_process(
  COMMAND node -p "require('node-addon-api').include_dir"
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
  OUTPUT_VARIABLE NODE_ADDON_API OUTPUT_STRIP_TRAILING_WHITESPACE)

add_library(ibert_addon SHARED
  ${CMAKE_CURRENT_LIST_DIR}/addon.cpp
  ${CMAKE_CURRENT_LIST_DIR}/device.cpp
  ${CMAKE_CURRENT_LIST_DIR}/marshal.cpp
  ${CMAKE_CURRENT_LIST_DIR}/resources.cpp
  ${CMAKE_CURRENT_LIST_DIR}/stream.cpp
  ${CMAKE_CURRENT_LIST_DIR}/recording.cpp
  ${CMAKE_CURRENT_LIST_DIR}/tensor.cpp
  ${CMAKE_CURRENT_LIST_DIR}/mapped_file.cpp
  ${CMAKE_CURRENT_LIST_DIR}/memory.cpp
  ${CMAKE_JS_SRC})
# The addon says which version of the package it belongs to.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/package.json)
file(READ ${CMAKE_SOURCE_DIR}/package.json IBERT_PACKAGE)
string(JSON IBERT_VERSION GET "${IBERT_PACKAGE}" version)
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/addon.cpp PROPERTIES
  COMPILE_DEFINITIONS "IBERT_VERSION=\"${IBERT_VERSION}\"")
set_target_properties(ibert_addon PROPERTIES PREFIX "" SUFFIX ".node" OUTPUT_NAME "ibert")
target_include_directories(ibert_addon PRIVATE ${CMAKE_JS_INC} ${NODE_ADDON_API})
# At the end of an environment no exception can be thrown into JavaScript any more; then it is dropped, where
# otherwise it would leave C++ and end the process. And no exception of the standard library leaves C++.
target_compile_definitions(ibert_addon PRIVATE
  NAPI_VERSION=8 NODE_ADDON_API_DISABLE_DEPRECATED
  NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS NODE_ADDON_API_CPP_EXCEPTIONS_ALL)
target_link_libraries(ibert_addon PRIVATE ibert_host ibert_cpu ${CMAKE_JS_LIB})

if(WIN32)
  # Elsewhere the functions of Node-API are found in whichever program loads the addon; here node_functions_windows.cpp looks
  # for them, by the names that node-api-headers lists.
  execute_process(
    COMMAND node -p "const { js_native_api_symbols: a, node_api_symbols: b } = require('node-api-headers').symbols.v8; [...a, ...b].map((name) => 'FUNCTION(' + name + ')').join('\\n')"
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    OUTPUT_VARIABLE functions COMMAND_ERROR_IS_FATAL ANY)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/bindings/node_functions.inc CONTENT "${functions}" @ONLY)
  target_sources(ibert_addon PRIVATE ${CMAKE_CURRENT_LIST_DIR}/node_functions_windows.cpp)
  target_include_directories(ibert_addon PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/bindings)
  target_compile_definitions(ibert_addon PRIVATE "NAPI_EXTERN=__declspec(dllimport)")
endif()
