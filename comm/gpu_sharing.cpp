#include "comm/gpu_sharing.h"

#include <cstdlib>
#include <string>
#include <utility>

namespace sdlora::comm {

void prepare_gpu_sharing(int rank) {
  const std::string host = "sdlora-sharing-rank-" + std::to_string(rank);
  for (const auto& [name, value] : {
           std::pair{"NCCL_HOSTID", host.c_str()},
           {"NCCL_NET", "Socket"},
           {"NCCL_IB_DISABLE", "1"},
           {"NCCL_SOCKET_IFNAME", "=lo"},
           {"NCCL_MNNVL_ENABLE", "0"},
           {"NCCL_NVLS_ENABLE", "0"},
           {"NCCL_RAS_ENABLE", "0"},
           {"NCCL_MAX_CTAS", "2"},
           {"NCCL_ALGO", "Ring"},
           {"NCCL_PROTO", "Simple"},
       })
    ::setenv(name, value, /*overwrite=*/1);
}

}  // namespace sdlora::comm
