# hs_module(FOLDER DEPS a b LIBS x y): one folder, one library.
#
# A module's headers are reachable only through a private include root
# <build>/inc/<module>/<FOLDER> -> src/<FOLDER>, which only targets that declare the module get. So
# `#include "store/client.h"` in a module that did not declare `store` fails to compile, and declaring a
# module that stands later in src/CMakeLists.txt fails to configure: the order there is the layering.
#
#   FOLDER      path below src/; the module's name is FOLDER with "/" as "_" (wire/otlp -> wire_otlp)
#   DEPS        modules whose headers it includes (tools/tidy.py rejects undeclared, transitive ones)
#   LIBS        third-party libraries that users of the module link too
#   PRIVATE_LIBS third-party libraries that only its own sources see
#
# x_test.cpp beside x.cpp goes into one test program per module; x_fuzz.cpp becomes a libFuzzer target.
function(hs_module folder)
  cmake_parse_arguments(M "" "" "DEPS;LIBS;PRIVATE_LIBS;TEST_DEPS" ${ARGN})
  string(REPLACE "/" "_" name ${folder})
  set(dir ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
  set(root ${CMAKE_BINARY_DIR}/inc/${name})
  get_filename_component(parent ${root}/${folder} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${dir} ${root}/${folder} SYMBOLIC)

  file(GLOB srcs CONFIGURE_DEPENDS ${dir}/*.cpp)
  set(tests ${srcs})
  set(fuzzers ${srcs})
  list(FILTER srcs EXCLUDE REGEX "_(test|fuzz|bench)\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cpp$")
  if(srcs)
    add_library(hs_${name} STATIC ${srcs})
    set(scope PUBLIC)
    target_link_libraries(hs_${name} PRIVATE hs_flags ${M_PRIVATE_LIBS})
  else()
    add_library(hs_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(hs_${name} ${scope} ${root})
  foreach(d ${M_DEPS})
    if(NOT TARGET hs_${d})
      message(FATAL_ERROR "${name} depends on ${d}, which is not above it: the order in src/CMakeLists.txt is the layering")
    endif()
    target_link_libraries(hs_${name} ${scope} hs_${d})
  endforeach()
  target_link_libraries(hs_${name} ${scope} ${M_LIBS})

  if(HS_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE hs_${name} hs_flags gtest gtest_main pthread)
    foreach(d ${M_TEST_DEPS})
      target_link_libraries(${name}_test PRIVATE hs_${d})
    endforeach()
    add_test(NAME ${name} COMMAND ${name}_test --gtest_brief=1 WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  endif()
  if(HS_FUZZ)
    foreach(f ${fuzzers})
      get_filename_component(target ${f} NAME_WE)
      add_executable(${name}_${target} ${f})
      target_link_options(${name}_${target} PRIVATE -fsanitize=fuzzer)
      target_link_libraries(${name}_${target} PRIVATE hs_${name} hs_flags)
      add_dependencies(fuzzers ${name}_${target})
    endforeach()
  endif()
endfunction()
