#include "launcher/supervisor/stray_processes.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "common/log.h"

namespace sdlora::launcher {
namespace {

constexpr std::chrono::seconds kPatience{5};

std::string content_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

bool is_marked(const std::filesystem::path& process, const std::string& mark) {
  std::string environment = content_of(process / "environ");  // empty for zombies and for processes of others
  environment.insert(environment.begin(), '\0');
  environment.push_back('\0');
  std::string needle = mark;
  needle.insert(needle.begin(), '\0');
  needle.push_back('\0');
  return environment.find(needle) != std::string::npos;
}

}  // namespace

std::vector<pid_t> processes_marked(const std::string& mark) {
  std::vector<pid_t> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto pid = static_cast<pid_t>(std::stol(name));
    if (pid != ::getpid() && is_marked(entry.path(), mark)) found.push_back(pid);
  }
  return found;
}

int kill_marked(const std::string& mark) {
  const std::vector<pid_t> first = processes_marked(mark);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (std::vector<pid_t> alive = first; !alive.empty(); alive = processes_marked(mark)) {
    for (const pid_t pid : alive) ::kill(pid, SIGKILL);
    if (std::chrono::steady_clock::now() >= deadline) {
      log::warning(fmt::format("{} processes of a dead attempt cannot be killed, the first is {}",
                               alive.size(), alive.front()));
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return static_cast<int>(first.size());
}

}  // namespace sdlora::launcher
