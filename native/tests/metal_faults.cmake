# Kernels of kernels-metal/ with one line changed, each in a namespace of its own, for metal_faults_test.cpp: what a person
# might get wrong. The text that is changed must be there, once.
function(ibert_metal_fault source kernel fault from to)
  set(text "${IBERT_METAL_TEXT_${source}}")
  string(FIND "${text}" "${from}" first)
  string(FIND "${text}" "${from}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "the fault ${fault}: ${source} must hold once: ${from}")
  endif()
  string(REPLACE "${from}" "${to}" text "${text}")
  set_property(GLOBAL APPEND_STRING PROPERTY IBERT_FAULTS_OF_${source} "
namespace ${fault} {
${text}
static const bool isEntered = ibert::metal::addEntry(ibert::metal::Caller<&${kernel}>::entry(\"${fault}\"));
}  // namespace ${fault}
")
endfunction()

set(barrier "threadgroup_barrier(mem_flags::mem_threadgroup);")
set(forward flash_forward.metal flashForward64)
ibert_metal_fault(${forward} noBarrierBehindTile "${barrier}\n    const bool sees" "const bool sees")
ibert_metal_fault(${forward} noBarrierBeforeTile "${barrier}  // the tiles before were read" "")
ibert_metal_fault(${forward} noSimdgroupBarrier "simdgroup_barrier(mem_flags::mem_threadgroup);  // the weights are there" "")
ibert_metal_fault(${forward} sharedWeights "memory + kForwardRows * D + int(simdgroup) * R * kFlashKeys"
  "memory + kForwardRows * D")
ibert_metal_fault(${forward} nextToken "key < begin || key > token" "key < begin || key > token + 1")
ibert_metal_fault(${forward} unmaskedEdge "key + kFlashKeys - 1 <= sight.firstToken" "key + kFlashKeys - 2 <= sight.firstToken")
ibert_metal_fault(${forward} noRescale "sums[r][c] *= rescale" "sums[r][c] *= 1")
ibert_metal_fault(${forward} halfASimdgroup "simd_max(scores[r])" "(lane < 16 ? simd_max(scores[r]) : scores[r])")
ibert_metal_fault(${forward} misalignedVector "if (aligned) return" "if (true) return")
ibert_metal_fault(${forward} rowsBehindTheLast "if (row < rows) bits" "if (true) bits")
ibert_metal_fault(flash_forward.metal flashForward128 valuesOverKeys "${barrier}  // the keys were read" "")
set(keys flash_backward.metal flashKeys64)
ibert_metal_fault(${keys} weightsOverWeights
  "simdgroup_barrier(mem_flags::mem_threadgroup);  // the weights of dv were read" "")
ibert_metal_fault(${keys} noDiagonal "ownKey + r <= own" "ownKey + r < own")
ibert_metal_fault(${keys} skippedEdge "simd_broadcast(begin, 0) >= ownKey + R" "simd_broadcast(begin, 0) >= ownKey + R - 1")
ibert_metal_fault(flash_backward.metal flashQueries64 staleDelta "ds[r] = -deltas[r]" "ds[r] = -deltas[0]")
set(paged flash_paged.metal flashPaged64)
ibert_metal_fault(${paged} anothersParts "((int(simdgroup) * kAtOnce + sub) * H + h)" "((int(simdgroup) + sub) * H + h)")
ibert_metal_fault(${paged} noLastPosition "rows[i] = first + i <= last" "rows[i] = first + i < last")
ibert_metal_fault(flash_paged.metal flashCombine lostChunk "for (int chunk = 0; chunk * kChunkPositions <= last"
  "for (int chunk = 0; chunk * kChunkPositions < last")

set(entries)
foreach(source flash_forward flash_backward flash_paged)
  get_property(text GLOBAL PROPERTY IBERT_FAULTS_OF_${source}.metal)
  file(CONFIGURE OUTPUT ${IBERT_METAL_WRITTEN}/faults_of_${source}.metal CONTENT "#include \"host/entries.h\"\n${text}" @ONLY)
  list(APPEND entries ${IBERT_METAL_WRITTEN}/entries_of_${source}.metal ${IBERT_METAL_WRITTEN}/faults_of_${source}.metal)
endforeach()
add_executable(ibert_metal_faults_test native/tests/metal_faults_test.cpp kernels-metal/host/emulated.cpp)
ibert_emulated_kernels(ibert_metal_faults_test ${entries})
foreach(target ibert_metal_faults_test ibert_metal_faults_test_kernels)
  target_include_directories(${target} PRIVATE native kernels-metal)
endforeach()
add_test(NAME metal-faults COMMAND ibert_metal_faults_test)
