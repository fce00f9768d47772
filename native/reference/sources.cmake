# The float64 reference: a library that is opened at run time (native/loader.h).
add_library(ibert_reference_ops STATIC
  native/reference/kernels.cpp native/reference/values.cpp native/reference/blocks.cpp native/reference/gather_cast_pack.cpp
  native/reference/norm.cpp native/reference/linear.cpp native/reference/rope.cpp
  native/reference/attention.cpp native/reference/paged_attention.cpp native/reference/swiglu.cpp
  native/reference/cross_entropy.cpp native/reference/optimizer.cpp native/reference/sample.cpp)
target_link_libraries(ibert_reference_ops PUBLIC ibert_host)
# No fused multiply-add that one compiler finds and another does not: the oracle is the same everywhere.
target_compile_options(ibert_reference_ops PRIVATE -ffp-contract=off)

add_library(ibert_reference SHARED native/reference/backend.cpp)
target_link_libraries(ibert_reference PRIVATE ibert_reference_ops)
set_target_properties(ibert_reference PROPERTIES
  OUTPUT_NAME ibert-reference
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/Release
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/Release)
