# Kernels of kernels-metal/ with one change each, in a namespace of its own, for metal_*_faults_test.cpp: what a person
# might get wrong. A text that no longer has what is changed stops the configuration, so that a fault cannot go stale.

# ibert_metal_fault(SOURCE KERNEL FAULT FROM TO [UNTIL TEXT] [BF16]): what stands behind UNTIL's text is left out. With BF16
# the fault is in the kernel as it is compiled for bf16 too.
function(ibert_metal_fault source kernel fault from to)
  cmake_parse_arguments(PARSE_ARGV 5 arg "BF16" UNTIL "")
  set(text "${IBERT_METAL_TEXT_${source}}")
  if(DEFINED arg_UNTIL)
    string(FIND "${text}" "${arg_UNTIL}" end)
    string(SUBSTRING "${text}" 0 ${end} text)
  endif()
  string(FIND "${text}" "${from}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "the fault ${fault}: ${source} must hold: ${from}")
  endif()
  string(REPLACE "${from}" "${to}" text "${text}")
  set(entered "static const bool isEntered = ibert::metal::addEntry(ibert::metal::Caller<&${kernel}>::entry(\"${fault}\"")
  set_property(GLOBAL APPEND_STRING PROPERTY IBERT_FAULTS_OF_${source} "
namespace ${fault} {
${text}
${entered}));
}  // namespace ${fault}
")
  if(arg_BF16)
    set_property(GLOBAL APPEND_STRING PROPERTY IBERT_BF16_FAULTS_OF_${source} "
namespace ${fault}InBf16 {
${text}
${entered} IBERT_BF16_ENTRY));
}  // namespace ${fault}InBf16
")
  endif()
endfunction()

# ibert_metal_faults_test(NAME SOURCE...): a test of the kernels of these files, right and with their faults.
function(ibert_metal_faults_test name)
  set(entries)
  foreach(source ${ARGN})
    get_property(text GLOBAL PROPERTY IBERT_FAULTS_OF_${source}.metal)
    file(CONFIGURE OUTPUT ${IBERT_METAL_WRITTEN}/faults_of_${source}.metal CONTENT "#include \"host/entries.h\"\n${text}" @ONLY)
    list(APPEND entries ${IBERT_METAL_WRITTEN}/entries_of_${source}.metal ${IBERT_METAL_WRITTEN}/faults_of_${source}.metal)
    get_property(text GLOBAL PROPERTY IBERT_BF16_FAULTS_OF_${source}.metal)
    if(text)
      file(CONFIGURE OUTPUT ${IBERT_METAL_WRITTEN}/bf16_faults_of_${source}.metal
        CONTENT "#define IBERT_BF16_TILES\n#include \"host/entries.h\"\n${text}" @ONLY)
      list(APPEND entries ${IBERT_METAL_WRITTEN}/bf16_entries_of_${source}.metal
        ${IBERT_METAL_WRITTEN}/bf16_faults_of_${source}.metal)
    endif()
  endforeach()
  set(program ibert_metal_${name}_faults_test)
  add_executable(${program} native/tests/metal_${name}_faults_test.cpp kernels-metal/host/emulated.cpp)
  ibert_emulated_kernels(${program} ${entries})
  foreach(target ${program} ${program}_kernels)
    target_include_directories(${target} PRIVATE native kernels-metal)
  endforeach()
  add_test(NAME metal-${name}-faults COMMAND ${program})
endfunction()

set(barrier "threadgroup_barrier(mem_flags::mem_threadgroup);  // ")
set(ofSimdgroup "simdgroup_barrier(mem_flags::mem_threadgroup);  // ")
# The others are the same in other sizes.
function(ibert_forward_fault fault from to)
  ibert_metal_fault(flash_forward.metal flashForward64 ${fault} "${from}" "${to}" UNTIL "KERNEL flashForward64Many" BF16)
endfunction()
ibert_forward_fault(noBarrierBeforeKeys "${barrier}the values before were read" "")
ibert_forward_fault(noBarrierBehindKeys "${barrier}the keys are there" "")
ibert_forward_fault(valuesOverKeys "${barrier}the keys were read" "")
ibert_forward_fault(noBarrierBehindValues "${barrier}the values are there" "")
ibert_forward_fault(unorderedScores "${ofSimdgroup}the scores are there" "")
ibert_forward_fault(weightsOverScores "${ofSimdgroup}scores were read, diagonals are there" "")
ibert_forward_fault(anothersScores "allScores + int(simdgroup) * 8 * kDown * kStride" "allScores")
ibert_forward_fault(wrongMatrix "a[i], b[j], sums" "a[i], b[0], sums")
ibert_forward_fault(nextToken "column <= tokens[i]" "column <= tokens[i] + 1")
ibert_forward_fault(unmaskedEdge "column >= begins[i]" "column >= begins[i] - 1")
ibert_forward_fault(skippedEdge "rowsBefore(lastToken + 1" "rowsBefore(lastToken - 1")
ibert_forward_fault(noRescale "if (risen != 0)" "if (false)")
ibert_forward_fault(unscaledMost "highest[i] * kLn2" "highest[i]")
ibert_forward_fault(anothersTotal "row / 8 * 64 + row % 8 * 9" "row % 8 * 9")
ibert_forward_fault(halfASimdgroup "simd_max(risen)" "(lane < 16 ? simd_max(risen) : risen)")
ibert_forward_fault(misalignedVector "if (aligned) return" "if (true) return")
ibert_forward_fault(rowsBehindTheLast "if (rows.isThere(row)) bits" "if (true) bits")
function(ibert_keys_fault fault from to)
  ibert_metal_fault(flash_backward.metal flashKeys64 ${fault} "${from}" "${to}" UNTIL "KERNEL flashQueries64" BF16)
endfunction()
ibert_keys_fault(noBarrierBeforeStep "${barrier}the step before was used" "")
ibert_keys_fault(noBarrierBehindStep "${barrier}the step is there" "")
ibert_keys_fault(unorderedProducts "${barrier}the scores are there" "")
ibert_keys_fault(factorsOverScores "${ofSimdgroup}what is in bf16 lies where others' scores lay" "")
ibert_keys_fault(unorderedFactors "${barrier}p and ds are there" "")
ibert_keys_fault(noDiagonal "key <= query + column + i" "key < query + column + i")
ibert_keys_fault(earlierSequence "firstSeen[column + i] <= key" "firstSeen[column + i] <= key + 1")
ibert_keys_fault(skippedQueries "query + count > ownKey" "query > ownKey")
ibert_keys_fault(wrongHalf "tiles.other(1 - tiles.half)" "tiles.other(tiles.half)")
ibert_keys_fault(anothersWayOut "tiles.half * kWayOut" "0 * kWayOut")
function(ibert_queries_fault fault from to)
  ibert_metal_fault(flash_backward.metal flashQueries64 ${fault} "${from}" "${to}" UNTIL "KERNEL flashKeys128" BF16)
endfunction()
ibert_queries_fault(addedDelta "fourDp[i] - deltas[e]" "fourDp[i] + deltas[e]")
ibert_queries_fault(unorderedGradients "${barrier}ds is there" "")
ibert_queries_fault(nextKey "own <= tokens[e]" "own <= tokens[e] + 1")
ibert_queries_fault(wrongFactor "tiles.own(tiles.half), tileStride" "tiles.own(0), tileStride")
set(paged flash_paged.metal flashPaged64)
ibert_metal_fault(${paged} anothersParts "((int(simdgroup) * kAtOnce + sub) * H + h)" "((int(simdgroup) + sub) * H + h)")
ibert_metal_fault(${paged} noLastPosition "rows[i] = first + i <= last" "rows[i] = first + i < last")
ibert_metal_fault(flash_paged.metal flashCombine lostChunk "for (int chunk = 0; chunk * kChunkPositions <= last"
  "for (int chunk = 0; chunk * kChunkPositions < last")

ibert_metal_faults_test(attention flash_forward flash_backward flash_paged)

# The others are the same in other sizes.
function(ibert_linear_fault fault from to)
  ibert_metal_fault(lora_linear_tiles.metal linearForwardFew ${fault} "${from}" "${to}" UNTIL "KERNEL linearForwardSome" BF16)
endfunction()
ibert_linear_fault(unfilled "${barrier}the step is there\n" "\n")
ibert_linear_fault(overwritten "${barrier}all have used what was there\n" "\n")
ibert_linear_fault(exchanged "kAlongRows != isExchanged" "kAlongRows")
ibert_linear_fault(fragment "a[i], b[j], sums" "a[i], b[0], sums")
ibert_linear_fault(diverging "if (top + 8 * i < rows && side" "if (top + 8 * i + int(place.lane) / 4 < rows && side")
ibert_linear_fault(depth "innerEnd - inner : 0" "innerEnd - inner + 4 : 0")
ibert_linear_fault(unordered "simdgroup_barrier(mem_flags::mem_threadgroup)" "simdgroup_barrier(mem_flags::mem_none)")
ibert_linear_fault(unscaled "scale * sum : 0.0f" "sum : 0.0f")
ibert_linear_fault(uncleared "sums.clear();" "")
ibert_linear_fault(rank "row < rows && k < depth ? r - j" "row < rows ? r - j")
ibert_linear_fault(columns "low + k, lowStride" "low, lowStride")
ibert_metal_faults_test(linear lora_linear_tiles)
