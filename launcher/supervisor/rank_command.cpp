#include "launcher/supervisor/rank_command.h"

#include <algorithm>

#include <fmt/format.h>

namespace sdlora::launcher {
namespace {

void append(std::vector<std::string>& words, std::initializer_list<std::string> more) {
  words.insert(words.end(), more);
}

std::vector<std::string> mpirun_words(const RankCommand& command) {
  std::vector<std::string> words = {"mpirun", "-np", std::to_string(command.rank_count), "--bind-to", "none"};
  if (command.hosts.empty()) {
    append(words, {"--oversubscribe"});
    if (command.rank_count > command.core_count) append(words, {"--mca", "mpi_yield_when_idle", "1"});
    return words;
  }
  append(words, {"--hostfile", command.hosts.string(), "--mca", "oob_tcp_keepalive_time", "5", "--mca",
                 "oob_tcp_keepalive_intvl", "3", "--mca", "oob_tcp_keepalive_probes", "3"});
  for (const std::string& name : command.exported) append(words, {"-x", name});
  return words;
}

std::vector<std::string> srun_words(const RankCommand& command) {
  // PMIx ends the step when a rank dies without having left MPI. Ranks that leave in order with an exit code
  // other than 0 must not be ended by the first of them: the code would be lost.
  std::vector<std::string> words = {
      "srun",       "--mpi=pmix",      "--kill-on-bad-exit=0",
      "--wait=300", "--cpu-bind=none", fmt::format("--ntasks={}", command.rank_count)};
  if (command.cpus_per_rank > 0) append(words, {fmt::format("--cpus-per-task={}", command.cpus_per_rank)});
  return words;
}

}  // namespace

std::vector<std::string> words_of(const RankCommand& command) {
  std::vector<std::string> words =
      command.starter == Starter::kSrun ? srun_words(command) : mpirun_words(command);
  words.push_back(command.trainer.string());
  words.insert(words.end(), command.trainer_options.begin(), command.trainer_options.end());
  return words;
}

std::vector<std::string> options_to_go_on(std::vector<std::string> trainer_options, bool starts_afresh) {
  if (!starts_afresh) return trainer_options;
  bool is_on_command_line = false;
  for (size_t word = 0; word < trainer_options.size(); ++word) {
    const bool follows_option = word > 0 && trainer_options[word - 1] == "--resume";
    if (follows_option) trainer_options[word] = "auto";
    if (trainer_options[word].starts_with("--resume=")) trainer_options[word] = "--resume=auto";
    is_on_command_line |= follows_option || trainer_options[word] == "--resume=auto";
  }
  if (!is_on_command_line) append(trainer_options, {"--resume", "auto"});  // wins over the file of --config
  return trainer_options;
}

}  // namespace sdlora::launcher
