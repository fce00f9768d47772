# Fails when an object file of one instruction set offers the linker a symbol that another translation unit could take:
# a weak symbol (an inline function or template that was not inlined) outside the level's own namespace. Run by ctest:
#   cmake -DNM=... -DLEVEL=avx2 "-DOBJECTS=a.o;b.o" -P check_symbols.cmake
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} -C ${object} OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${NM} cannot read ${object}")
  endif()
  string(REPLACE ";" "," symbols "${symbols}")
  string(REPLACE "\n" ";" lines "${symbols}")
  foreach(line IN LISTS lines)
    if(line MATCHES "^[0-9a-f]+ [WVu] (.*)$" AND NOT line MATCHES "ibert::cpu::${LEVEL}::|DW\\.ref\\.")
      message(SEND_ERROR "${object}: ${CMAKE_MATCH_1}")
    endif()
  endforeach()
endforeach()
