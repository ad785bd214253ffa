// Memory of large tensors on the CPU that is used again. Every training step allocates and frees the same
// sizes; memory that goes back to the system in between comes again page by page, each with a fault and full
// of zeros to be written first.
#pragma once

#include <cstddef>

namespace sdlora {

// From now on, tensors of 1 MiB and more take a freed block of about their size before they ask the system,
// which gives them huge pages where it can. Blocks beyond a quarter of what was in use at most go back.
// For the whole process; called once, at its start.
void recycle_tensor_memory();

// Gives the kept blocks back, and forgets how much was ever in use: after what is not done again, such as
// loading a model.
void release_recycled_memory();

// Of this process, in bytes: in tensors, and kept for others.
struct RecycledMemory {
  size_t in_use, kept;
};

RecycledMemory recycled_memory();

}  // namespace sdlora
