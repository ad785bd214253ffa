#include "monitoring/metrics/endpoint.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>

#include <dlfcn.h>
#include <fmt/format.h>
#include <limits.h>
#include <netdb.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/host.h"
#include "common/log.h"

// civetweb, the server within prometheus-cpp, wants stacks of 100 KiB for its threads. The thread-local data
// of LibTorch and the CUDA libraries, which lies on every stack, is larger, so the system would refuse each
// thread. This definition takes the place of glibc's in the whole program (see the link options of this
// library): no small stacks.
extern "C" int pthread_attr_setstacksize(pthread_attr_t* attributes, size_t stack_bytes) noexcept {
  constexpr size_t kSmallestStackBytes = size_t{1} << 20;
  using SetStackSize = int (*)(pthread_attr_t*, size_t);
  static const auto set_stack_size =
      reinterpret_cast<SetStackSize>(dlsym(RTLD_NEXT, "pthread_attr_setstacksize"));
  return set_stack_size(attributes, std::max(stack_bytes, kSmallestStackBytes));
}

namespace sdlora::monitoring {
namespace {

// IPv6 addresses stand in brackets before a port.
std::string with_port(const std::string& address, int port) {
  const bool is_bare_ipv6 = address.find(':') != std::string::npos && !address.starts_with('[');
  return is_bare_ipv6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

// Null when the port cannot be had.
std::unique_ptr<prometheus::Exposer> listen(const std::string& address, int port) {
  try {
    return std::make_unique<prometheus::Exposer>(with_port(address, port));
  } catch (const std::exception&) {  // its text is the same for every cause
    return nullptr;
  }
}

// Connects and hangs up; nothing comes of it when that fails.
void knock(const std::string& address, int port) {
  const addrinfo numeric{.ai_flags = AI_NUMERICHOST,
                         .ai_family = AF_UNSPEC,
                         .ai_socktype = SOCK_STREAM,
                         .ai_protocol = 0,
                         .ai_addrlen = 0,
                         .ai_addr = nullptr,
                         .ai_canonname = nullptr,
                         .ai_next = nullptr};
  addrinfo* found = nullptr;
  if (getaddrinfo(address.c_str(), std::to_string(port).c_str(), &numeric, &found) != 0) return;
  const int caller = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (caller >= 0) {
    static_cast<void>(connect(caller, found->ai_addr, found->ai_addrlen));  // that it arrives is enough
    close(caller);
  }
  freeaddrinfo(found);
}

std::string name_to_reach(const std::string& address) {
  if (address != "0.0.0.0" && address != "::" && address != "[::]") return address;
  return host_name();
}

}  // namespace

MetricsEndpoint::MetricsEndpoint(const MetricsRegistry& registry, const std::string& address, int port)
    : metrics_(registry.collectable()), address_(address), exposer_(listen(address, port)) {
  if (!exposer_ && port != 0) {
    exposer_ = listen(address, 0);
    if (exposer_)
      log::warning(fmt::format("metrics: cannot listen on {} (in use?); taking a free port instead: {}",
                               with_port(address, port), exposer_->GetListeningPorts().front()));
  }
  if (!exposer_) {
    log::warning(fmt::format("metrics: cannot listen on address {}; going on without; see --metrics-address",
                             address));
    return;
  }
  exposer_->RegisterCollectable(metrics_);
  target_ = with_port(name_to_reach(address), exposer_->GetListeningPorts().front());
}

// The server looks every two seconds whether it is to stop, or at once when somebody connects.
MetricsEndpoint::~MetricsEndpoint() {
  if (!exposer_) return;
  const int port = exposer_->GetListeningPorts().front();
  std::atomic<bool> has_stopped = false;
  std::thread visitor;
  try {
    visitor = std::thread([&] {
      while (!has_stopped) {
        knock(address_, port);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
  } catch (const std::system_error&) {  // no further thread is allowed: it takes the two seconds
  }
  exposer_.reset();
  has_stopped = true;
  if (visitor.joinable()) visitor.join();
}

int port_of_rank(int port, int local_rank) {
  return port == 0 ? 0 : port + local_rank;
}

}  // namespace sdlora::monitoring
