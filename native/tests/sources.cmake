# C++ tests, run by ctest.
foreach(name dtypes indices packed reference schema stream thread_pool)
  add_executable(ibert_${name}_test native/tests/${name}_test.cpp)
  target_link_libraries(ibert_${name}_test PRIVATE ibert_cases)
  # Beside the backend libraries, where the loader looks.
  set_target_properties(ibert_${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/Release)
  add_test(NAME ${name} COMMAND ibert_${name}_test)
endforeach()
target_link_libraries(ibert_packed_test PRIVATE ibert_cpu)
target_compile_options(ibert_packed_test PRIVATE -Wno-psabi)
add_dependencies(ibert_stream_test ibert_reference)

add_test(NAME reference-gradients COMMAND ibert-kernels grad --backend reference)
add_test(NAME cpu-gradients COMMAND ibert-kernels grad --backend cpu)
add_test(NAME reference-backend COMMAND ibert-kernels test --backend reference)

# Every instruction set of the build; exit code 3 says that this machine cannot run it.
add_test(NAME cpu COMMAND ibert-kernels test --backend cpu)
set(IBERT_ISAS generic)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND IBERT_ISAS avx2 avx512 avx512-bf16 amx-bf16)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  list(APPEND IBERT_ISAS neon)
endif()
if(IBERT_AMX_EMULATOR)
  list(APPEND IBERT_ISAS amx-emulated)
endif()
# Under an emulator of the processor each case runs once with two threads and once with one; on a machine twice.
set(once)
if(CMAKE_CROSSCOMPILING)
  set(once --repeat 1)
endif()
foreach(isa ${IBERT_ISAS})
  add_test(NAME cpu-${isa} COMMAND ibert-kernels test --backend cpu --isa ${isa} ${once})
  add_test(NAME rows-${isa} COMMAND ibert-kernels rows --backend cpu --isa ${isa})
  set_tests_properties(cpu-${isa} rows-${isa} PROPERTIES SKIP_RETURN_CODE 3)
endforeach()

# What the suite and the loader must notice.
add_library(ibert_faulty SHARED native/tests/faulty_backend.cpp)
target_link_libraries(ibert_faulty PRIVATE ibert_reference_ops)
function(ibert_fault_test fault expected)
  set(command ${ARGN})
  if(NOT command)
    set(command test)
  endif()
  add_test(NAME fault-${fault} COMMAND ibert-kernels ${command} --backend $<TARGET_FILE:ibert_faulty> --op swigluForward)
  set_tests_properties(fault-${fault} PROPERTIES ENVIRONMENT IBERT_FAULT=${fault} PASS_REGULAR_EXPRESSION "${expected}")
endfunction()
ibert_fault_test(unwritten "is not a number, expected")
ibert_fault_test(wrong "largest error [^\n]*bound")
ibert_fault_test(behind "wrote behind the memory of y")
ibert_fault_test(before "wrote before the memory of y")
ibert_fault_test(input "changed its input gateUp")
ibert_fault_test(threads "2 threads and one differ")
ibert_fault_test(runs "two runs differ")
ibert_fault_test(schedule "FAIL[^\n]*\n[^\n]*\n +two runs differ" test --every-schedule)
ibert_fault_test(odd "operands at odd places: y: [^\n]*largest error [^\n]*bound")
ibert_fault_test(neighbours "row 0 of y differs alone and among 2" rows)
ibert_fault_test(length "row 0 of y differs among 17 and among 33" rows)
ibert_fault_test(refuses "not supported, and every model asks for it: [^\n]*y is bf16")
ibert_fault_test(lacking "lacks this op")
ibert_fault_test(abi "built for backend ABI")
ibert_fault_test(table "built with another op table")
ibert_fault_test(none "ok   swigluForward +[0-9]+ passed")

# What `grad` must notice in a backend without float64, and that a gradient as right as its dtype allows passes.
function(ibert_gradient_fault_test fault op expected)
  add_test(NAME fault-grad-${fault} COMMAND ibert-kernels grad --backend $<TARGET_FILE:ibert_faulty> --op ${op})
  set_tests_properties(fault-grad-${fault} PROPERTIES ENVIRONMENT IBERT_FAULT=grad-${fault} PASS_REGULAR_EXPRESSION "${expected}")
endfunction()
ibert_gradient_fault_test(scale loraLinearBackward "ok[^\n]* f32 dLoraA.*FAIL[^\n]* f32 dLoraB.*ok[^\n]* bf16 dLoraA.*FAIL[^\n]* bf16 dLoraB")
ibert_gradient_fault_test(element loraLinearBackward "FAIL[^\n]* f32 dx.*FAIL[^\n]* bf16 dx")
ibert_gradient_fault_test(slot loraLinearBackward "FAIL[^\n]* f32 dx.*FAIL[^\n]* bf16 dx")
ibert_gradient_fault_test(term rmsNormBackward "FAIL[^\n]* f32 dx.*FAIL[^\n]* bf16 dx.*FAIL[^\n]* bf16 dx, x in f32")
ibert_gradient_fault_test(delta attentionBackward
  "FAIL[^\n]* f32 dqkv of 16.*FAIL[^\n]* of 64.*FAIL[^\n]* bf16 dqkv of 16.*FAIL[^\n]* of 64")
ibert_gradient_fault_test(row attentionBackward
  "FAIL[^\n]* f32 dqkv of 16.*FAIL[^\n]* of 64.*FAIL[^\n]* bf16 dqkv of 16.*FAIL[^\n]* of 64")
ibert_gradient_fault_test(direction rope "FAIL[^\n]* f32 inverse.*FAIL[^\n]* bf16 inverse")
ibert_gradient_fault_test(rounded swigluBackward "FAIL[^\n]* f32 dGateUp.*ok[^\n]* bf16 dGateUp")
ibert_gradient_fault_test(weight linearCrossEntropy "ok[^\n]* f32 dx .*FAIL[^\n]* f32 dx, weighted.*FAIL[^\n]* bf16 dx, weighted")
add_test(NAME fault-grad-none COMMAND ibert-kernels grad --backend $<TARGET_FILE:ibert_faulty>)
set_tests_properties(fault-grad-none PROPERTIES ENVIRONMENT IBERT_FAULT=grad-none)

# The command line.
function(ibert_usage_test name expected)
  add_test(NAME usage-${name} COMMAND ibert-kernels ${ARGN})
  set_tests_properties(usage-${name} PROPERTIES PASS_REGULAR_EXPRESSION "${expected}")
endfunction()
ibert_usage_test(help "usage: ibert-kernels" --help)
ibert_usage_test(no-command "which command")
ibert_usage_test(command "there is no command train" train)
ibert_usage_test(option "there is no option --fast" list --fast)
ibert_usage_test(op "there is no op noSuchOp" test --op noSuchOp)
ibert_usage_test(value "--seed takes a value" test --seed)
ibert_usage_test(number "--threads takes a number" test --threads many)
ibert_usage_test(repeat "--repeat counts from 1" test --repeat 0)
ibert_usage_test(rows "gradNorm is no op of a step of generation" rows --op gradNorm)
ibert_usage_test(backend "the backend noSuch is not installed: looked for .*libibert-noSuch" list --backend noSuch)
ibert_usage_test(list "loraLinearForward +float64" list --backend reference)

# A training step of small layers, of odd sizes and in sequences of unlike lengths: loss and gradient as on the reference.
set(IBERT_SMALL_STEP step --layers 2 --tokens 45 --length 31 --hidden 64 --heads 4 --kv-heads 2 --head-dim 16
  --intermediate 96 --vocabulary 160 --rank 4 --repeat 1)
add_test(NAME step-cpu COMMAND ibert-kernels ${IBERT_SMALL_STEP} --against reference)
add_test(NAME step-cpu-all-targets COMMAND ibert-kernels ${IBERT_SMALL_STEP} --all-targets --against reference --json)
add_test(NAME step-cpu-no-head COMMAND ibert-kernels ${IBERT_SMALL_STEP} --vocabulary 0 --rank 0)
ibert_usage_test(step "--heads is a multiple of --kv-heads" step --heads 5 --kv-heads 2)

# The runs of a case over the emulator take turns through its schedules; `npm run test:emulated` runs each case on each.
set(schedules)
if(IBERT_SANITIZE)
  set(schedules --every-schedule)
endif()

# The CUDA backend over the emulator.
if(TARGET ibert_cuda_emulated)
  foreach(name cuda_device device_stream)
    add_executable(ibert_${name}_test native/tests/${name}_test.cpp)
    target_link_libraries(ibert_${name}_test PRIVATE ibert_cases)
    set_target_properties(ibert_${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/Release)
    add_dependencies(ibert_${name}_test ibert_cuda_emulated)
  endforeach()
  add_test(NAME cuda-device COMMAND ibert_cuda_device_test)
  add_test(NAME cuda-stream COMMAND ibert_device_stream_test cuda-emulated)
  # Where scratch memory moves when it grows.
  add_test(NAME cuda-device-moving COMMAND ibert_cuda_device_test)
  set_tests_properties(cuda-device-moving PROPERTIES ENVIRONMENT IBERT_EMULATOR_VIRTUAL_MEMORY=0)
  add_executable(ibert_cuda_runtime_test native/tests/cuda_runtime_test.cpp)
  ibert_emulated_kernels(ibert_cuda_runtime_test native/tests/cuda_runtime_kernels.cu)
  target_link_libraries(ibert_cuda_runtime_test PRIVATE ibert_emulated_runtime)
  add_test(NAME cuda-runtime COMMAND ibert_cuda_runtime_test)
  include(native/tests/instructions/sources.cmake)
  add_test(NAME cuda-gradients COMMAND ibert-kernels grad --backend cuda-emulated)
  add_test(NAME step-cuda-emulated COMMAND ibert-kernels ${IBERT_SMALL_STEP} --backend cuda-emulated --against reference)
  set(memory ${IBERT_CUDA_HOST})
  list(FILTER memory INCLUDE REGEX "/(driver|gpu|memory|planned|reserved_memory)\\.cpp$")
  add_executable(ibert_cuda_workspace_test native/tests/cuda_workspace_test.cpp ${memory})
  ibert_emulated_kernels(ibert_cuda_workspace_test native/tests/cuda_runtime_kernels.cu)
  target_link_libraries(ibert_cuda_workspace_test PRIVATE ibert_emulated_runtime)
  add_test(NAME cuda-workspace COMMAND ibert_cuda_workspace_test)
  # Its reasons not to run, with libraries in place of the driver: too old, new enough, and none at all.
  foreach(version 12080 13000)
    add_library(ibert_fake_driver_${version} SHARED native/tests/fake_driver.cpp)
    target_compile_definitions(ibert_fake_driver_${version} PRIVATE IBERT_FAKE_VERSION=${version})
  endforeach()
  # With them, a backend that needs a driver (lib/runtime/driver.test.ts).
  add_library(ibert_driven SHARED native/tests/driven_backend.cpp kernels-cuda/host/driver.cpp)
  target_link_libraries(ibert_driven PRIVATE ibert_reference_ops)
  set_target_properties(ibert_driven ibert_fake_driver_12080 ibert_fake_driver_13000 PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/testing)
  add_executable(ibert_cuda_driver_test native/tests/cuda_driver_test.cpp kernels-cuda/host/driver.cpp)
  target_include_directories(ibert_cuda_driver_test PRIVATE kernels-cuda native)
  target_link_libraries(ibert_cuda_driver_test PRIVATE ${CMAKE_DL_LIBS})
  add_test(NAME cuda-driver COMMAND ibert_cuda_driver_test $<TARGET_FILE:ibert_fake_driver_12080>
    $<TARGET_FILE:ibert_fake_driver_13000> $<TARGET_FILE:ibert_faulty>)
  foreach(op embedding rmsNormForward ropeTable rope swigluForward gatherRows)
    add_test(NAME cuda-emulated-rows-${op} COMMAND ibert-kernels rows --backend cuda-emulated --op ${op})
  endforeach()
  # Every dtype of a weight; all 333 cases would take ten minutes.
  add_test(NAME cuda-emulated-rows-loraLinearForward
    COMMAND ibert-kernels rows --backend cuda-emulated --op loraLinearForward --case "LoRA on q and v")
  # Minutes long: by `ctest -C whole`, as in `npm run test:emulated`.
  add_test(NAME cuda-emulated-rows-pagedAttention CONFIGURATIONS whole
    COMMAND ibert-kernels rows --backend cuda-emulated --op pagedAttention)
  ibert_usage_test(cuda-launches "roofline of an H100 SXM, computed and not measured" perf --backend cuda-emulated
    --op swigluForward --case smollm2)
  ibert_usage_test(cuda-no-device "driver shows no device, and CUDA_VISIBLE_DEVICES is \"\"" list --backend cuda-emulated)
  set_tests_properties(usage-cuda-no-device PROPERTIES ENVIRONMENT CUDA_VISIBLE_DEVICES=)
  foreach(op embedding rmsNormForward rmsNormBackward loraLinearForward loraLinearBackward ropeTable rope
      attentionForward attentionBackward kvCacheWrite pagedAttention swigluForward swigluBackward linearCrossEntropy
      gradNorm adamW sample gatherRows cast packWeight)
    add_test(NAME cuda-emulated-${op} COMMAND ibert-kernels test --backend cuda-emulated --op ${op} ${schedules})
  endforeach()
endif()

# What a Mac would be handed, and what is said where there is none.
add_executable(ibert_metal_mac_test native/tests/metal_mac_test.cpp kernels-metal/host/apple.cpp kernels-metal/host/objc.cpp
  ${IBERT_METAL_WRITTEN}/source.cpp)
target_include_directories(ibert_metal_mac_test PRIVATE native kernels-metal)
target_link_libraries(ibert_metal_mac_test PRIVATE ${CMAKE_DL_LIBS})
add_test(NAME metal-mac COMMAND ibert_metal_mac_test)

# The Metal backend over the emulator.
if(TARGET ibert_metal_emulated)
  add_executable(ibert_metal_hardware_test native/tests/metal_hardware_test.cpp kernels-metal/host/emulated.cpp)
  ibert_emulated_kernels(ibert_metal_hardware_test ${IBERT_METAL_WRITTEN}/entries_of_swiglu.metal)
  foreach(target ibert_metal_hardware_test ibert_metal_hardware_test_kernels)
    target_include_directories(${target} PRIVATE native kernels-metal)
  endforeach()
  add_test(NAME metal-hardware COMMAND ibert_metal_hardware_test)
  add_dependencies(ibert_device_stream_test ibert_metal_emulated)
  add_test(NAME metal-stream COMMAND ibert_device_stream_test metal-emulated)
  include(native/tests/metal_faults.cmake)
  add_test(NAME step-metal-emulated COMMAND ibert-kernels ${IBERT_SMALL_STEP} --backend metal-emulated --against reference)
  # Which kernels run, and those of a chip without matrices.
  ibert_usage_test(metal-bf16 "loraLinearForward +qkv +simdgroup-bf16" ${IBERT_SMALL_STEP} --backend metal-emulated)
  foreach(name matrices no-bf16)
    ibert_usage_test(metal-${name} "loraLinearForward +qkv +simdgroup +[0-9]" ${IBERT_SMALL_STEP} --backend metal-emulated)
  endforeach()
  set_tests_properties(usage-metal-matrices PROPERTIES ENVIRONMENT IBERT_EMULATED_GPU=apple8)
  set_tests_properties(usage-metal-no-bf16 PROPERTIES ENVIRONMENT IBERT_EMULATED_METAL=3.0)  # an M3 under macOS 13
  ibert_usage_test(metal-twins "loraLinearForward +qkv +twin" ${IBERT_SMALL_STEP} --backend metal-emulated)
  add_test(NAME step-metal-emulated-float32 COMMAND ibert-kernels ${IBERT_SMALL_STEP} --backend metal-emulated --against reference)
  set_tests_properties(step-metal-emulated-float32 PROPERTIES ENVIRONMENT IBERT_EMULATED_GPU=apple7)
  # What bf16 activations get on an M1: the suite's others run in float32 on any chip.
  foreach(share "loraLinearForward@bf16 (33, 129)" "loraLinearForward@bf16 (7, 64) times bf16 (33, 64)" "loraLinearBackward@bf16 (33, 129)"
      "linearCrossEntropy@bf16 (33, 64)" "attentionForward@bf16 heads 8/2" "attentionBackward@bf16 heads 8/2 of 64")
    string(REPLACE "@" ";" words "${share}")
    list(GET words 0 op)
    list(GET words 1 case)
    string(MAKE_C_IDENTIFIER "${case}" name)
    add_test(NAME metal-emulated-float32-${op}-${name}
      COMMAND ibert-kernels test --backend metal-emulated --op ${op} --case ${case})
    set_tests_properties(metal-emulated-float32-${op}-${name} PROPERTIES ENVIRONMENT IBERT_EMULATED_GPU=apple7)
  endforeach()
  add_test(NAME step-metal-emulated-twins COMMAND ibert-kernels ${IBERT_SMALL_STEP} --backend metal-emulated --against reference)
  set_tests_properties(usage-metal-twins step-metal-emulated-twins PROPERTIES ENVIRONMENT IBERT_EMULATED_GPU=apple6)
  foreach(op loraLinearForward loraLinearBackward linearCrossEntropy)
    add_test(NAME metal-emulated-twin-${op} COMMAND ibert-kernels test --backend metal-emulated --op ${op} --case q5_k)
    set_tests_properties(metal-emulated-twin-${op} PROPERTIES ENVIRONMENT IBERT_EMULATED_GPU=apple6)
  endforeach()
  ibert_usage_test(metal-threads "swigluForward: the kernel swigluForward runs with at most 128 threads of a threadgroup here, and has 256"
    test --backend metal-emulated --op swigluForward --case "f32 (3, 17)")
  set_tests_properties(usage-metal-threads PROPERTIES ENVIRONMENT IBERT_EMULATED_THREADS=128)
  # With matrices in bf16, with those of an M1 in float32, and without matrices.
  foreach(chip apple9 apple7 apple6)
    add_test(NAME metal-gradients-${chip} COMMAND ibert-kernels grad --backend metal-emulated)
    set_tests_properties(metal-gradients-${chip} PROPERTIES ENVIRONMENT IBERT_EMULATED_GPU=${chip})
  endforeach()
  ibert_usage_test(metal-launches "an M1 moves the distinct bytes, computed and not measured" perf
    --backend metal-emulated --op swigluForward --case "smollm2-135m T=1")
  ibert_usage_test(metal-flash "pagedAttention +flash" list --backend metal-emulated)
  add_test(NAME step-metal-emulated-flash COMMAND ibert-kernels step --layers 1 --tokens 45 --length 31 --hidden 64 --heads 4
    --kv-heads 2 --head-dim 64 --intermediate 96 --vocabulary 160 --rank 4 --repeat 1 --backend metal-emulated --against reference)
  # Rows that tiles of 8, 32 and 64 rows share: an M1 takes the last for 33.
  add_test(NAME metal-emulated-rows-tiles COMMAND ibert-kernels rows --backend metal-emulated --op loraLinearForward
    --case "(33, 129) times bf16 (100, 129) packed, LoRA of three adapters by row")
  set_tests_properties(metal-emulated-rows-tiles PROPERTIES ENVIRONMENT IBERT_EMULATED_GPU=apple7)
  # A share: all cases of ops that are quick, and some of the others. With `ctest -C whole`, as in `npm run test:emulated`,
  # all of all.
  foreach(op embedding rmsNormForward ropeTable rope swigluForward gatherRows)
    add_test(NAME metal-emulated-rows-${op} COMMAND ibert-kernels rows --backend metal-emulated --op ${op})
  endforeach()
  foreach(op embedding rmsNormForward rmsNormBackward ropeTable rope kvCacheWrite swigluForward swigluBackward gradNorm
      adamW gatherRows cast packWeight)
    add_test(NAME metal-emulated-${op} COMMAND ibert-kernels test --backend metal-emulated --op ${op} ${schedules})
  endforeach()
  foreach(share "attentionForward@of 16" "attentionForward@offsets" "attentionBackward@of 16" "attentionBackward@offsets"
      "attentionBackward@lengths 0 5" "attentionForward@bf16 heads 8/2" "attentionBackward@bf16 heads 8/2 of 128"
      "pagedAttention@bf16 (31, 1536)" "pagedAttention@bf16 (4, 960)"
      loraLinearForward@q4_k "loraLinearForward@(65, 129)" "loraLinearForward@second slot" "loraLinearForward@of rank 81"
      "loraLinearForward@of rank 681" loraLinearBackward@q6_k "loraLinearBackward@(65, 257)"
      linearCrossEntropy@q4_0 "linearCrossEntropy@(70, 64)" "linearCrossEntropy@(20000, 24)" "sample@(9, 33)")
    string(REPLACE "@" ";" words "${share}")
    list(GET words 0 op)
    list(GET words 1 case)
    string(MAKE_C_IDENTIFIER "${case}" name)
    add_test(NAME metal-emulated-${op}-${name}
      COMMAND ibert-kernels test --backend metal-emulated --op ${op} --case ${case})
  endforeach()
  foreach(op loraLinearForward loraLinearBackward attentionForward attentionBackward pagedAttention linearCrossEntropy sample)
    add_test(NAME metal-emulated-${op} CONFIGURATIONS whole
      COMMAND ibert-kernels test --backend metal-emulated --op ${op} ${schedules})
  endforeach()
  add_test(NAME metal-emulated-rows-pagedAttention CONFIGURATIONS whole
    COMMAND ibert-kernels rows --backend metal-emulated --op pagedAttention)
  add_test(NAME metal-emulated-rows-loraLinearForward CONFIGURATIONS whole
    COMMAND ibert-kernels rows --backend metal-emulated --op loraLinearForward --case "LoRA on q and v")
endif()

# What is run on a machine with a GPU (scripts/gpu/run.sh): what it says, and the file that it writes, over the emulator.
if(TARGET ibert_cuda_emulated)
  add_test(NAME gpu-dry-run COMMAND bash ${CMAKE_SOURCE_DIR}/scripts/gpu/run.sh --dry-run)
  set_tests_properties(gpu-dry-run PROPERTIES PASS_REGULAR_EXPRESSION "peers +at most")
  set(results ${CMAKE_BINARY_DIR}/gpu-run.json)
  add_test(NAME gpu-emulated COMMAND bash ${CMAKE_SOURCE_DIR}/scripts/gpu/run.sh --backend cuda-emulated --out ${results}
    --tools ${CMAKE_BINARY_DIR}/Release --only golden,instructions,agreement,conformance,rows,layer,layers,perf,memcheck)
  # A step that fails is told, and the others run.
  add_test(NAME gpu-failing COMMAND bash ${CMAKE_SOURCE_DIR}/scripts/gpu/run.sh --backend cuda --small --library ${CMAKE_SOURCE_DIR}/CMakeLists.txt
    --tools ${CMAKE_BINARY_DIR}/Release --only golden,agreement,layer --out ${results}.failing)
  set_tests_properties(gpu-failing PROPERTIES PASS_REGULAR_EXPRESSION "golden +ok.*agreement +cannot run.*layer +cannot run")
endif()

# The gate of the build with nvcc (scripts/check-cuda.mjs): what it must find.
find_program(IBERT_NODE node)
if(IBERT_NODE)
  if(TARGET ibert_cuda_emulated)
    set_tests_properties(gpu-emulated PROPERTIES FIXTURES_SETUP gpu-run)
    add_test(NAME gpu-json COMMAND ${IBERT_NODE} ${CMAKE_SOURCE_DIR}/scripts/gpu/check-results.mjs ${results})
    set_tests_properties(gpu-json PROPERTIES FIXTURES_REQUIRED gpu-run)
  endif()
  add_test(NAME cuda-gate COMMAND ${IBERT_NODE} ${CMAKE_SOURCE_DIR}/scripts/cuda/test-gate.mjs)
endif()
