// The communicator that the contract is checked on; each test executable brings its own.
#pragma once

#include <memory>

#include "comm/communicator.h"

namespace sdlora::comm {

std::unique_ptr<Communicator> make_communicator_under_test();

}  // namespace sdlora::comm
