// Memory that the ranks of a host have in common.
#pragma once

#include <memory>

#include "comm/communicator.h"

namespace sdlora::comm {

// (all ranks) `byte_count` bytes, zero at first, which all ranks of a host see; freed when the last of them
// lets go. Where a host cannot share memory (its ranks are in containers of their own, say) every rank of all
// hosts gets none, and rank 0 a warning with the reason.
std::shared_ptr<void> share_memory_on_host(Communicator& world, size_t byte_count);

}  // namespace sdlora::comm
