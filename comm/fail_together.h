// Checks that all ranks pass or none: a rank that fails leaves no other waiting in a collective.
#pragma once

#include <functional>

#include "comm/communicator.h"
#include "common/error.h"

namespace sdlora::comm {

// What every rank throws at the same place.
struct CommonError : Error {
  using Error::Error;
};

// (all ranks) Runs `body` on every rank; if it throws on any, every rank throws the CommonError of the lowest
// such rank, which says whose it is. For checks at start-up, so that no rank is left waiting in a collective.
// `body` must not communicate.
void fail_together(Communicator& world, const std::function<void()>& body);

}  // namespace sdlora::comm
