// The communicator that the contract is checked on, and where its tensors are; each test executable brings
// its own.
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.h"

namespace sdlora::comm {

std::unique_ptr<Communicator> make_communicator_under_test();

at::Device device_under_test();

// Why there is none here, or nothing. Only for want of a GPU.
std::string reason_to_skip();

}  // namespace sdlora::comm
