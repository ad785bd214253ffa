# Target `onednn`: kernels for the CPU, from its own wheel, since LibTorch hides the copy inside it. It uses the GNU OpenMP
# runtime, as LibTorch does: a program has one pool of threads. The headers are in ${SDLORA_ENVIRONMENT}/include.
add_library(onednn INTERFACE)
target_link_libraries(onednn INTERFACE "${SDLORA_ENVIRONMENT}/lib/libdnnl.so.3")
list(APPEND SDLORA_LIBRARY_DIRS "${SDLORA_ENVIRONMENT}/lib")
set(CMAKE_BUILD_RPATH "${SDLORA_LIBRARY_DIRS}")
