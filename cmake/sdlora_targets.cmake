# sdlora_library(model SOURCES … DEPS …)   one library per folder; DEPS are the folders it may include, and its third parties
# sdlora_program(trainer SOURCES … DEPS …) a program in build/bin/
# sdlora_unit_tests(data SOURCES … DEPS … [SUPPORT …] [NEEDS_TINY_MODEL name …] [GPU name …])   the executable data_tests, and one
#   test of ctest per source; those named by NEEDS_TINY_MODEL get the small model, those named by GPU skip without a GPU
# sdlora_mpi_test(handshake_test RANKS 2 SOURCES … DEPS …)   a GoogleTest executable that runs under mpirun
# missing-field-initializers: designated initialisers leave the other members at their defaults on purpose
set(sdlora_warnings -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wno-missing-field-initializers -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # array-bounds, restrict: GCC 12 sees faults in the standard library's own std::string + (GCC bugs 105329, 105651)
  list(APPEND sdlora_warnings -Wno-array-bounds -Wno-restrict)
  # at::parallel_for runs serially in a source that is compiled without OpenMP. The runtime is the one LibTorch brings, which is GNU's:
  # clang's calls are for LLVM's, so what clang builds does without.
  set(sdlora_openmp -fopenmp)
else()
  # unknown-pragmas: GCC's for loops; for-loop-analysis does not look into the lambda that a loop calls
  list(APPEND sdlora_warnings -Wno-unknown-pragmas -Wno-for-loop-analysis)
  set(sdlora_openmp "")
endif()

# For a source that computes with AVX-512's BF16, here or in a test. GCC 12 takes the undefined vectors inside its own header for ours.
set(sdlora_avx512_bf16 -O3 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)

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
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/precompiled.cpp" CONTENT "")  # only when it is not there: it is not made anew
add_library(sdlora_precompiled OBJECT "${CMAKE_BINARY_DIR}/precompiled.cpp")
target_precompile_headers(sdlora_precompiled PRIVATE ${sdlora_heavy_headers})
target_link_libraries(sdlora_precompiled PRIVATE sdlora_settings libtorch)
add_library(sdlora_precompiled_for_tests OBJECT "${CMAKE_BINARY_DIR}/precompiled.cpp")
target_precompile_headers(sdlora_precompiled_for_tests PRIVATE ${sdlora_heavy_headers} <gmock/gmock.h> <gtest/gtest.h>)
target_link_libraries(sdlora_precompiled_for_tests PRIVATE sdlora_settings libtorch GTest::gmock)

# Reading the precompiled headers costs a source 3 to 8 s on its own: several are compiled as one (cmake -DSDLORA_UNITY=OFF: each alone,
# which is what a developer wants who changes one of them again and again, and what the linter needs).
option(SDLORA_UNITY "compile several sources at a time" ON)

function(sdlora_compile_together target headers)
  target_precompile_headers(${target} REUSE_FROM ${headers})
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${SDLORA_UNITY} UNITY_BUILD_BATCH_SIZE 10)
endfunction()

function(sdlora_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(sdlora_${name} STATIC ${arg_SOURCES})
  add_library(sdlora::${name} ALIAS sdlora_${name})
  target_link_libraries(sdlora_${name} PUBLIC sdlora_settings libtorch ${arg_DEPS})
  sdlora_compile_together(sdlora_${name} sdlora_precompiled)
endfunction()

function(sdlora_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS})
  sdlora_compile_together(${name} sdlora_precompiled)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
endfunction()

# One test of ctest: its command, label and what it needs.
function(sdlora_add_test name)
  cmake_parse_arguments(arg "" "LABEL" "COMMAND" ${ARGN})
  add_test(NAME ${name} COMMAND ${arg_COMMAND})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABEL}" TIMEOUT 300)
  if(arg_LABEL STREQUAL gpu)
    set_tests_properties(${name} PROPERTIES SKIP_REGULAR_EXPRESSION "this machine has no GPU")
  endif()
endfunction()

# The small model of tests/CMakeLists.txt in $SDLORA_TINY_MODEL.
function(sdlora_give_tiny_model test)
  set_tests_properties(${test} PROPERTIES FIXTURES_REQUIRED tiny_model ENVIRONMENT "SDLORA_TINY_MODEL=${SDLORA_TINY_MODEL}")
endfunction()

# Tests of a folder are one executable, since linking and the headers are most of what a test costs to build; each source is a test
# of its own for ctest (tests/support/unit_test_main.cpp).
function(sdlora_unit_tests folder)
  cmake_parse_arguments(arg "" "" "SOURCES;SUPPORT;DEPS;NEEDS_TINY_MODEL;GPU" ${ARGN})
  set(executable ${folder}_tests)
  add_executable(${executable} ${arg_SOURCES} ${arg_SUPPORT} "${CMAKE_SOURCE_DIR}/tests/support/unit_test_main.cpp")
  target_link_libraries(${executable} PRIVATE ${arg_DEPS} GTest::gmock)
  sdlora_compile_together(${executable} sdlora_precompiled_for_tests)
  set_target_properties(${executable} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  foreach(source ${arg_SOURCES})
    get_filename_component(name ${source} NAME_WE)
    set(label unit)
    if(name IN_LIST arg_GPU)
      set(label gpu)
    endif()
    sdlora_add_test(${name} LABEL ${label} COMMAND ${executable} --source ${name})
    if(name IN_LIST arg_NEEDS_TINY_MODEL)
      sdlora_give_tiny_model(${name})
    endif()
  endforeach()
endfunction()

function(sdlora_mpi_test name)
  cmake_parse_arguments(arg "" "RANKS" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES} "${CMAKE_SOURCE_DIR}/tests/support/mpi_test_main.cpp")
  target_link_libraries(${name} PRIVATE ${arg_DEPS} sdlora::comm GTest::gmock)
  sdlora_compile_together(${name} sdlora_precompiled_for_tests)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  sdlora_add_test(${name} LABEL mpi COMMAND ${SDLORA_MPIRUN} -np ${arg_RANKS} $<TARGET_FILE:${name}>)
endfunction()
