# ibert-kernels and the C++ tests (ctest).
add_library(ibert_cases STATIC
  native/tools/case.cpp native/tools/cases.cpp native/tools/cases_attention.cpp native/tools/cases_bias.cpp native/tools/cases_cast.cpp
  native/tools/cases_gather.cpp native/tools/cases_linear.cpp native/tools/cases_loss.cpp
  native/tools/cases_norm.cpp native/tools/cases_optimizer.cpp native/tools/cases_paged.cpp
  native/tools/cases_rope.cpp native/tools/cases_sample.cpp native/tools/cases_swiglu.cpp
  native/tools/case_rows.cpp native/tools/compare.cpp native/tools/graph_calls.cpp native/tools/quantize.cpp
  native/tools/session.cpp)
target_link_libraries(ibert_cases PUBLIC ibert_reference_ops)

add_executable(ibert-kernels
  native/tools/grad.cpp native/tools/gradient_check.cpp native/tools/launches.cpp native/tools/list.cpp
  native/tools/main.cpp native/tools/options.cpp
  native/tools/peak.cpp native/tools/perf.cpp native/tools/perf_cases.cpp native/tools/rows.cpp
  native/tools/decoder_step.cpp native/tools/step.cpp native/tools/test.cpp native/tools/timing.cpp)
target_link_libraries(ibert-kernels PRIVATE ibert_cases ibert_cpu)
# Beside the addon and the backend libraries, where the loader looks.
set_target_properties(ibert-kernels PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/Release)
add_dependencies(ibert-kernels ibert_reference)

enable_testing()
include(native/tests/sources.cmake)
