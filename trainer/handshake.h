// Before step 0 the ranks compare what must be equal, so that a difference is one clear message instead of a
// wrong sum.
#pragma once

#include <map>
#include <string>

#include "comm/communicator.h"

namespace sdlora::trainer {

// (all ranks) `facts`: what this rank has, by name: build, config, data, model, parameter layout.
// Throws Error(kMismatch) on every rank, naming the facts that differ and both sides.
void compare_ranks(comm::Communicator& world, const std::map<std::string, std::string>& facts);

}  // namespace sdlora::trainer
