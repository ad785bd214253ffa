#include "process/cpu_threads.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "common/control_groups.h"
#include "common/cpu_cores.h"
#include "common/host.h"
#include "common/log.h"

namespace sdlora::process {
namespace {

// mpirun binds its ranks, to one core each where there are one or two; what it could have given them is what
// it has itself.
std::vector<int> cores_of_mpirun() {
  std::string starter;
  std::getline(std::ifstream(fmt::format("/proc/{}/comm", ::getppid())), starter);
  for (const char* name : {"mpirun", "mpiexec", "orterun", "orted", "prterun", "prted"})
    if (starter == name) return cores_of(::getppid());
  return {};
}

RankCores cores_of_this_rank() {
  RankCores own{.host = host_name(), .cores = cores_of(), .starters_cores = cores_of_mpirun()};
  if (own.cores.empty()) own.cores = {0};
  if (const auto groups = control_groups("cpu"); !groups.empty())
    own.group = groups.front().directory.string();
  std::error_code failure;
  own.group += std::filesystem::read_symlink("/proc/self/ns/cgroup", failure).string();  // of its container
  own.quota = cpu_quota().value_or(0);
  return own;
}

std::string to_text(const RankCores& own) {
  return nlohmann::json{own.host, own.cores, own.starters_cores, own.group, own.quota}.dump();
}

RankCores from_text(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  return {.host = json[0].get<std::string>(),
          .cores = json[1].get<std::vector<int>>(),
          .starters_cores = json[2].get<std::vector<int>>(),
          .group = json[3].get<std::string>(),
          .quota = json[4].get<double>()};
}

// Of all its ranks together.
struct HostCores {
  std::set<int> cores, starters_cores;
  std::map<std::string, double> quotas;  // by group
  int thread_count = 0;

  int count() const { return limited(cores.size()); }

  int starters_count() const { return limited(starters_cores.size()); }

 private:
  int limited(size_t count) const {
    double quota = 0;
    for (const auto& [group, of_group] : quotas) quota += of_group;
    const bool is_limited = !quotas.empty() && std::all_of(quotas.begin(), quotas.end(),
                                                           [](const auto& one) { return one.second > 0; });
    return is_limited ? std::max(1, std::min(static_cast<int>(count), static_cast<int>(quota)))
                      : static_cast<int>(count);
  }
};

std::map<std::string, HostCores> hosts_of(const std::vector<RankCores>& ranks,
                                          const std::vector<int>& threads) {
  std::map<std::string, HostCores> hosts;
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    HostCores& host = hosts[ranks[rank].host];
    host.cores.insert(ranks[rank].cores.begin(), ranks[rank].cores.end());
    host.starters_cores.insert(ranks[rank].starters_cores.begin(), ranks[rank].starters_cores.end());
    host.quotas[ranks[rank].group] = ranks[rank].quota;
    host.thread_count += threads[rank];
  }
  return hosts;
}

// OpenMP starts no more, whatever it is asked for.
int within_openmps_limit(int threads) {
  const char* limit = std::getenv("OMP_THREAD_LIMIT");
  const int most = limit == nullptr ? 0 : std::atoi(limit);
  return most > 0 ? std::min(threads, most) : threads;
}

}  // namespace

std::vector<int> shares_of(const std::vector<RankCores>& ranks) {
  std::map<std::pair<std::string, int>, int> users_of_core;
  std::map<std::pair<std::string, std::string>, int> users_of_group;
  for (const RankCores& rank : ranks) {
    for (const int core : rank.cores) ++users_of_core[{rank.host, core}];
    ++users_of_group[{rank.host, rank.group}];
  }
  std::vector<int> shares;
  for (const RankCores& rank : ranks) {
    double share = 1e-9;  // three thirds are one
    for (const int core : rank.cores) share += 1.0 / users_of_core[{rank.host, core}];
    if (rank.quota > 0) share = std::min(share, rank.quota / users_of_group[{rank.host, rank.group}] + 1e-9);
    shares.push_back(std::max(1, static_cast<int>(share)));
  }
  return shares;
}

std::vector<std::string> doubts_about(const std::vector<RankCores>& ranks, const std::vector<int>& threads,
                                      bool is_auto) {
  std::vector<std::string> doubts;
  for (const auto& [name, host] : hosts_of(ranks, threads)) {
    if (host.thread_count > host.count())
      doubts.push_back(
          fmt::format("{} threads share {} core(s) on {}: fewer ranks or --cpu-threads would be faster",
                      host.thread_count, host.count(), name));
    else if (is_auto && 2 * host.thread_count <= host.starters_count())
      doubts.push_back(fmt::format(
          "{} of the {} cores that mpirun has on {} are used: it binds each rank to its own; start it "
          "with --bind-to none to use them all",
          host.thread_count, host.starters_count(), name));
  }
  return doubts;
}

int set_cpu_threads(int requested, comm::Communicator& world) {
  std::vector<RankCores> ranks;
  for (const std::string& text : world.gather(to_text(cores_of_this_rank())))
    ranks.push_back(from_text(text));
  const int share = shares_of(ranks)[static_cast<size_t>(world.rank())];
  const int threads = within_openmps_limit(requested > 0 ? requested : share);
  at::set_num_threads(threads);
  std::vector<int> all;
  for (const std::string& text : world.gather(std::to_string(threads))) all.push_back(std::stoi(text));
  if (world.rank() == 0)
    for (const std::string& doubt : doubts_about(ranks, all, requested == 0)) log::warning(doubt);
  return threads;
}

}  // namespace sdlora::process
