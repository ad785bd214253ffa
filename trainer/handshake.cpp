#include "trainer/handshake.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/error.h"

namespace sdlora::trainer {

void compare_ranks(comm::Communicator& world, const std::map<std::string, std::string>& facts) {
  const std::vector<std::string> all = world.gather(nlohmann::json(facts).dump());
  const auto first = nlohmann::json::parse(all.front()).get<std::map<std::string, std::string>>();
  for (size_t rank = 1; rank < all.size(); ++rank) {
    const auto other = nlohmann::json::parse(all[rank]).get<std::map<std::string, std::string>>();
    std::string expected, seen;
    for (const auto& [name, value] : first)
      if (const auto found = other.find(name); found == other.end() || found->second != value) {
        expected += fmt::format("{} = {}  ", name, value);
        seen += fmt::format("{} = {}  ", name, found == other.end() ? "nothing" : found->second);
      }
    if (!expected.empty())
      throw Error(ExitCode::kMismatch,
                  Problem{.what = "the ranks disagree",
                          .expected = "rank 0: " + expected,
                          .seen = fmt::format("rank {}: {}", rank, seen),
                          .advice = "start every rank from the same build, config, model and data"});
  }
}

}  // namespace sdlora::trainer
