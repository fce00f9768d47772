# The emulator's tests.
add_executable(ibert_emulator_test native/tests/emulator/emulator_test.cpp)
ibert_emulated_kernels(ibert_emulator_test native/tests/emulator/block_kernels.cu native/tests/emulator/tile_kernel.cu)
add_test(NAME emulator COMMAND ibert_emulator_test)
add_executable(ibert_emulator_metal_test native/tests/emulator/metal_test.cpp)
ibert_emulated_kernels(ibert_emulator_metal_test native/tests/emulator/metal_kernels.metal
  native/tests/emulator/metal_matrix_kernels.metal)
add_test(NAME emulator-metal COMMAND ibert_emulator_metal_test)
