// Takes the place of nccl_communicator.cpp in a build without NCCL.
#include "comm/build_identity.h"
#include "comm/communicator.h"
#include "common/error.h"

namespace sdlora::comm {

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& /*world*/, int /*device_index*/,
                                                     bool /*is_gpu_shared*/) {
  throw Error(ExitCode::kMismatch, {.what = "this build has no NCCL",
                                    .advice = "use --comm mpi, or build with -DSDLORA_WITH_NCCL=ON"});
}

std::string nccl_version() {
  return "none";
}

}  // namespace sdlora::comm
