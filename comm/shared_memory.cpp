#include "comm/shared_memory.h"

#include <sys/mman.h>

#include "comm/fail_together.h"
#include "comm/memory_file.h"
#include "common/error.h"
#include "common/log.h"

namespace sdlora::comm {
std::shared_ptr<void> share_memory_on_host(Communicator& world, size_t byte_count) {
  MemoryFile file;
  std::shared_ptr<void> memory;
  try {
    std::string address;
    fail_together(world, [&] {
      if (world.local_rank() != 0) return;
      file.create(byte_count);
      address = file.address();
    });
    world.broadcast_on_host(address);
    fail_together(world, [&] {
      if (world.local_rank() != 0) file.open(address);
      memory = file.map(byte_count);
      ::madvise(memory.get(), byte_count, MADV_HUGEPAGE);  // where the system allows it; faster
    });
  } catch (const Error& error) {
    if (world.rank() == 0)
      log::warning(std::string("the ranks of a host share no memory; each holds its own: ") + error.what());
    return {};
  }
  return memory;
}

}  // namespace sdlora::comm
