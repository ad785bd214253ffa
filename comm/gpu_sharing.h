// Several ranks on one GPU: for tests on a machine that has only one. Never for training: the ranks take
// turns.
#pragma once

namespace sdlora::comm {

// Makes NCCL believe that each rank is on a host of its own, which is what it asks before it refuses two
// ranks on one GPU (NCCL 2.28, src/init.cc), and keeps it to the loopback network and a fixed order. Sets
// environment variables of this process: before NCCL's first call, while no other thread reads or sets any.
void prepare_gpu_sharing(int rank);

}  // namespace sdlora::comm
