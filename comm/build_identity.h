// What this process computes with, so that ranks of different builds find out before they add up each other's
// numbers.
#pragma once

#include <map>
#include <string>

namespace sdlora::comm {

// "program" and, for each loaded library whose code decides what a run computes, its file name: the GNU build
// id (a hash of the code that the linker left in it), or "none" where it was left out. "torch", "MPI",
// "NCCL": their versions.
std::map<std::string, std::string> build_identity();

// "2.28.9"; "none" in a build without NCCL.
std::string nccl_version();

}  // namespace sdlora::comm
