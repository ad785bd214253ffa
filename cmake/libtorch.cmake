# Imported target `libtorch`: LibTorch, CUDA runtime headers and NCCL as the torch wheel brings them.
# TorchConfig.cmake is not used: it wants a CUDA toolkit that matches the wheel even for CPU-only work, and
# picks up whatever toolkit the system has. Everything here comes from the one private environment, so a build is
# the same with and without a system toolkit.
file(SHA256 "${CMAKE_SOURCE_DIR}/launcher/requirements.txt" requirements_hash)
string(SUBSTRING "${requirements_hash}" 0 12 requirements_hash)
if(DEFINED ENV{SDLORA_HOME})
  set(sdlora_home "$ENV{SDLORA_HOME}")
else()
  set(sdlora_home "$ENV{HOME}/.cache/sdlora")
endif()
# Follows requirements.txt in a build that was configured before it changed, too; a path of one's own stays.
if(SDLORA_ENVIRONMENT MATCHES "^${sdlora_home}/env-[0-9a-f]+$")
  unset(SDLORA_ENVIRONMENT CACHE)
endif()
set(SDLORA_ENVIRONMENT "${sdlora_home}/env-${requirements_hash}" CACHE PATH "what launcher/setup.sh made")
file(GLOB site_packages "${SDLORA_ENVIRONMENT}/lib/python3*/site-packages")
if(NOT EXISTS "${site_packages}/torch/lib/libtorch.so")
  message(FATAL_ERROR "LibTorch is not in ${SDLORA_ENVIRONMENT}; run: bash launcher/setup.sh")
endif()

set(torch_dir "${site_packages}/torch")
set(cuda_dir "${site_packages}/nvidia/cu13")
set(nccl_dir "${site_packages}/nvidia/nccl")

add_library(libtorch INTERFACE)
target_include_directories(libtorch SYSTEM INTERFACE
  "${torch_dir}/include" "${torch_dir}/include/torch/csrc/api/include" "${cuda_dir}/include")
# Torch's copy of fmt, compiled once (cmake/fmt.cpp) and not anew in each source, where it costs 3 s.
add_library(sdlora_fmt STATIC "${CMAKE_SOURCE_DIR}/cmake/fmt.cpp")
target_compile_features(sdlora_fmt PRIVATE cxx_std_20)
target_include_directories(sdlora_fmt SYSTEM PRIVATE "${torch_dir}/include")
target_link_libraries(libtorch INTERFACE sdlora_fmt)
# libtorch_cuda registers its kernels when loaded; nothing names a symbol of it, so keep it by force.
if(NOT SDLORA_FUZZ)  # loading it takes a second and half a GiB, and no file is read on a GPU
  target_link_libraries(libtorch INTERFACE
    "-Wl,--no-as-needed" "${torch_dir}/lib/libtorch_cuda.so" "${torch_dir}/lib/libtorch.so" "-Wl,--as-needed")
endif()
target_link_libraries(libtorch INTERFACE
  "${torch_dir}/lib/libtorch_cpu.so" "${torch_dir}/lib/libc10.so" "${torch_dir}/lib/libc10_cuda.so")
set(SDLORA_LIBRARY_DIRS "${torch_dir}/lib" "${cuda_dir}/lib" "${nccl_dir}/lib" "${site_packages}/nvidia/cudnn/lib"
  "${site_packages}/nvidia/cusparselt/lib" "${site_packages}/nvidia/nvshmem/lib")
list(JOIN SDLORA_LIBRARY_DIRS ":" library_path)
set(CMAKE_BUILD_RPATH "${SDLORA_LIBRARY_DIRS}")
target_link_options(libtorch INTERFACE
  # LibTorch exports parts of a std::filesystem of its own, whose remove_all calls a null pointer: the system's libstdc++
  # comes first in every program, so that names are found there.
  "-Wl,--push-state,--no-as-needed,-lstdc++,--pop-state"
  "-Wl,-rpath-link,${library_path}")

add_library(nccl INTERFACE)
target_include_directories(nccl SYSTEM INTERFACE "${nccl_dir}/include" "${cuda_dir}/include")
target_link_libraries(nccl INTERFACE "${nccl_dir}/lib/libnccl.so" "${cuda_dir}/lib/libcudart.so")
