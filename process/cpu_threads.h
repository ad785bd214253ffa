// How many threads a rank's arithmetic uses on the CPU.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.h"

namespace sdlora::process {

// What one rank may use of its host.
struct RankCores {
  std::string host;
  std::vector<int> cores;           // by its affinity
  std::vector<int> starters_cores;  // of the mpirun or orted that started it; empty: another program did
  std::string group;                // its control group; ranks of one share its quota
  double quota = 0;                 // of that group, in cores; 0: none
};

// By rank: its share of each core it may run on, divided among the ranks that may run there too, and no more
// than its share of a quota; 1 or more.
std::vector<int> shares_of(const std::vector<RankCores>& ranks);

// What is wrong with that many threads by rank, a sentence for each host: ranks share cores, or half of a
// host's cores are idle although the number was left to us (`is_auto`).
std::vector<std::string> doubts_about(const std::vector<RankCores>& ranks, const std::vector<int>& threads,
                                      bool is_auto);

// (all ranks) Sets and returns the intra-op threads of this rank; 0: its share of the cores. Rank 0 warns of
// what is doubtful. Call before the first tensor operation.
int set_cpu_threads(int requested, comm::Communicator& world);

}  // namespace sdlora::process
