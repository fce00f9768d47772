# Every instruction of kernels-cuda/ptx.h over the emulator, held to the manual. scripts/build-cuda.mjs and
# scripts/gpu/build.sh compile the same sources with nvcc; what that gives on a device is compared with what this writes.
add_executable(ibert_instructions native/tests/instructions/main.cpp native/tests/instructions/matrix_probes.cpp
  native/tests/instructions/warp_probes.cpp)
target_include_directories(ibert_instructions PRIVATE kernels-cuda)
ibert_emulated_kernels(ibert_instructions native/tests/instructions/matrix_kernels.cu native/tests/instructions/warp_kernels.cu)
target_link_libraries(ibert_instructions PRIVATE ibert_emulated_runtime)
set_target_properties(ibert_instructions PROPERTIES
  OUTPUT_NAME ibert-instructions-emulated RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/Release)
foreach(schedule priorities last-first random)
  add_test(NAME instructions-${schedule} COMMAND ibert_instructions)
  set_tests_properties(instructions-${schedule} PROPERTIES ENVIRONMENT IBERT_EMULATOR_SCHEDULE=${schedule})
endforeach()
# A golden file that says something else is noticed, and the one that it wrote itself is not.
set(golden ${CMAKE_BINARY_DIR}/instructions.golden)
add_test(NAME instructions-write COMMAND ibert_instructions --write ${golden})
add_test(NAME instructions-golden COMMAND ibert_instructions --golden ${golden} --json)
set_tests_properties(instructions-write PROPERTIES FIXTURES_SETUP instructions-golden)
set_tests_properties(instructions-golden PROPERTIES FIXTURES_REQUIRED instructions-golden)
add_test(NAME instructions-no-golden COMMAND ibert_instructions --golden /dev/null)
set_tests_properties(instructions-no-golden PROPERTIES PASS_REGULAR_EXPRESSION "differ from the golden file: another number of words")
