# cmake --install build --prefix X: a bundle that runs wherever it is moved, on a machine that has none of our packages.
#
#   X/bin          the programs; they look for their libraries in ../lib
#   X/lib          LibTorch, CUDA, NCCL, HDF5, OpenCV and what these need
#   X/launcher  X/slurm  X/monitoring   scripts, jobs, alerts, dashboards
#
# Two things come from the machine: the C and C++ run time (glibc 2.36, libstdc++ of GCC 12 or later), and Open MPI 4.1, which
# must fit the cluster's network and PMIx. Most of its size is CUDA.
set(programs trainer cache_latents generate model_probe adapter launcher)
foreach(program ${programs})
  # RPATH, not RUNPATH: what a library needs is looked for there, too.
  set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
  target_link_options(${program} PRIVATE -Wl,--disable-new-dtags)
endforeach()

install(TARGETS ${programs} RUNTIME_DEPENDENCY_SET sdlora_libraries RUNTIME DESTINATION bin)
install(RUNTIME_DEPENDENCY_SET sdlora_libraries
  DIRECTORIES ${SDLORA_LIBRARY_DIRS}
  PRE_EXCLUDE_REGEXES
    "^ld-linux" "^lib(c|m|dl|rt|pthread|resolv|util|stdc\\+\\+|gcc_s)\\.so"
    "^lib(mpi|open-rte|open-pal|pmix|hwloc|event|event_core|event_pthreads)[-.]"
    "^libcuda\\.so"  # the driver's
  LIBRARY DESTINATION lib)
# what is opened by name when it is first used
file(GLOB opened_by_name "${torch_dir}/lib/libcaffe2_nvrtc.so" "${torch_dir}/lib/libtorch_cuda_linalg.so"
  "${cuda_dir}/lib/libnvrtc.so.*" "${cuda_dir}/lib/libnvrtc-builtins.so.*" "${cuda_dir}/lib/libcusolver.so.*"
  "${site_packages}/nvidia/cudnn/lib/libcudnn*.so.*")
install(FILES ${opened_by_name} DESTINATION lib)

install(PROGRAMS monitoring/watch.sh DESTINATION monitoring)
install(DIRECTORY monitoring/alerts monitoring/grafana DESTINATION monitoring)
install(FILES monitoring/README.md monitoring/runbook.md DESTINATION monitoring)
install(PROGRAMS slurm/train_lora.sh slurm/cache_latents.sh DESTINATION slurm)
install(FILES slurm/README.md DESTINATION slurm)
install(FILES README.md LICENSE CHANGELOG.md DESTINATION .)
install(DIRECTORY docs DESTINATION .)
