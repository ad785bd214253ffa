# sdlora_cuda_sources(model SOURCES kernels/cuda/geglu.cu …)   compiles them into that library with the environment's nvcc. They
#   include no ATen header, so each takes seconds; what calls them is an ordinary .cpp.
#
# nvcc is called by hand: CMake's own CUDA language wants to find a whole toolkit, and nvcc comes as wheels. Native code for
# sm_75 (T4), sm_80 (A100), sm_90 (H100, H200) and sm_100 (B200), and PTX that later GPUs translate. prec-div=false: fp32 divisions to
# two units in the last place, in a third of the instructions.
set(SDLORA_NVCC "${cuda_dir}/bin/nvcc")
if(NOT EXISTS "${SDLORA_NVCC}")
  message(FATAL_ERROR "the CUDA compiler nvcc is not in ${cuda_dir}/bin; run: bash launcher/setup.sh")
endif()
set(sdlora_nvcc_options -std=c++20 -O3 -prec-div=false -ccbin "${CMAKE_CXX_COMPILER}"
  -gencode=arch=compute_75,code=sm_75 -gencode=arch=compute_80,code=sm_80 -gencode=arch=compute_90,code=sm_90
  "-gencode=arch=compute_100,code=[sm_100,compute_100]"
  -Werror=all-warnings "-Xcompiler=-Wall,-Wextra,-Wshadow,-Wno-unknown-pragmas,-Werror" "-I${CMAKE_SOURCE_DIR}")

function(sdlora_cuda_sources library)
  cmake_parse_arguments(arg "" "" "SOURCES" ${ARGN})
  foreach(source ${arg_SOURCES})
    set(object "${CMAKE_CURRENT_BINARY_DIR}/${source}.o")
    # Intermediate files under fixed names: nvcc would name them after its process, and the objects with them, so that two
    # builds of the same sources had different build ids.
    set(kept "${object}.kept")
    file(MAKE_DIRECTORY "${kept}")
    add_custom_command(OUTPUT "${object}"
      COMMAND "${SDLORA_NVCC}" ${sdlora_nvcc_options} --keep --keep-dir "${kept}" -MD -MF "${object}.d" -MT "${object}" -c -o "${object}"
        "${CMAKE_CURRENT_SOURCE_DIR}/${source}"
      DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${source}" "${SDLORA_NVCC}"
      DEPFILE "${object}.d" COMMENT "Building CUDA object ${source}.o" VERBATIM)
    target_sources(sdlora_${library} PRIVATE "${object}")
    set_source_files_properties("${object}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  endforeach()
  # the runtime that LibTorch has loaded, so that both see one context
  target_link_libraries(sdlora_${library} PRIVATE "${cuda_dir}/lib/libcudart.so")
endfunction()
