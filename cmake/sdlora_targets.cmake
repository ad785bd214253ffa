# sdlora_library(model SOURCES … DEPS …)   one library per folder; DEPS are the folders it may include, and its third parties
# sdlora_program(trainer SOURCES … DEPS …) a program in build/bin/
# sdlora_test(seeds_test SOURCES … DEPS … [RANKS n] [LABELS …] [NEEDS_TINY_MODEL])   one GoogleTest executable;
#   RANKS runs it under mpirun; NEEDS_TINY_MODEL gives it the model of tests/CMakeLists.txt in $SDLORA_TINY_MODEL
# missing-field-initializers: designated initialisers leave the other members at their defaults on purpose
# array-bounds, restrict: GCC 12 sees faults in the standard library's own std::string + (GCC bugs 105329, 105651)
set(sdlora_warnings -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wno-missing-field-initializers
  -Wno-array-bounds -Wno-restrict -Werror)

add_library(sdlora_settings INTERFACE)
target_compile_features(sdlora_settings INTERFACE cxx_std_20)
# -ffp-contract=off: the same bytes whatever the compiler would have fused
target_compile_options(sdlora_settings INTERFACE ${sdlora_warnings} -ffp-contract=off)
target_include_directories(sdlora_settings INTERFACE "${CMAKE_SOURCE_DIR}")
target_link_options(sdlora_settings INTERFACE -Wl,--build-id=sha1)  # what ranks of different builds are told apart by
if(SDLORA_SANITIZE)
  target_compile_options(sdlora_settings INTERFACE -fsanitize=${SDLORA_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(sdlora_settings INTERFACE -fsanitize=${SDLORA_SANITIZE})
endif()

# ATen's headers take 8 s to parse, GoogleMock's 4 s, nlohmann's 2 s; they are parsed once, here.
set(sdlora_heavy_headers <ATen/ATen.h> <fmt/format.h> <nlohmann/json.hpp> <algorithm> <chrono> <filesystem> <fstream>
  <functional> <map> <memory> <optional> <string> <thread> <vector>)
file(WRITE "${CMAKE_BINARY_DIR}/precompiled.cpp" "")
add_library(sdlora_precompiled OBJECT "${CMAKE_BINARY_DIR}/precompiled.cpp")
target_precompile_headers(sdlora_precompiled PRIVATE ${sdlora_heavy_headers})
target_link_libraries(sdlora_precompiled PRIVATE sdlora_settings libtorch)
add_library(sdlora_precompiled_for_tests OBJECT "${CMAKE_BINARY_DIR}/precompiled.cpp")
target_precompile_headers(sdlora_precompiled_for_tests PRIVATE ${sdlora_heavy_headers} <gmock/gmock.h> <gtest/gtest.h>)
target_link_libraries(sdlora_precompiled_for_tests PRIVATE sdlora_settings libtorch GTest::gmock)

function(sdlora_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(sdlora_${name} STATIC ${arg_SOURCES})
  add_library(sdlora::${name} ALIAS sdlora_${name})
  target_link_libraries(sdlora_${name} PUBLIC sdlora_settings libtorch ${arg_DEPS})
  target_precompile_headers(sdlora_${name} REUSE_FROM sdlora_precompiled)
endfunction()

function(sdlora_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS})
  target_precompile_headers(${name} REUSE_FROM sdlora_precompiled)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
endfunction()

function(sdlora_test name)
  cmake_parse_arguments(arg "NEEDS_TINY_MODEL" "RANKS" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} GTest::gmock)
  if(arg_RANKS)
    target_sources(${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests/support/mpi_test_main.cpp")
    target_link_libraries(${name} PRIVATE sdlora::comm)
    set(command ${SDLORA_MPIRUN} -np ${arg_RANKS} $<TARGET_FILE:${name}>)
    list(APPEND arg_LABELS mpi)
  else()
    target_link_libraries(${name} PRIVATE GTest::gmock_main)
    set(command ${name})
  endif()
  target_precompile_headers(${name} REUSE_FROM sdlora_precompiled_for_tests)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  add_test(NAME ${name} COMMAND ${command})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 300)
  if("gpu" IN_LIST arg_LABELS)
    set_tests_properties(${name} PROPERTIES SKIP_REGULAR_EXPRESSION "this machine has no GPU")
  endif()
  if(arg_NEEDS_TINY_MODEL)
    set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED tiny_model ENVIRONMENT "SDLORA_TINY_MODEL=${SDLORA_TINY_MODEL}")
  endif()
endfunction()
