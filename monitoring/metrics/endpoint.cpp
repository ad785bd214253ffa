#include "monitoring/metrics/endpoint.h"

#include <atomic>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <httplib.h>
#include <netdb.h>
#include <prometheus/collectable.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>

#include "common/error.h"
#include "common/host.h"
#include "common/log.h"
#include "common/network_interfaces.h"

namespace sdlora::monitoring {
namespace {

// A client that does not finish its request holds one of them until it is hung up on.
constexpr size_t kThreadCount = 8;
constexpr std::chrono::seconds kPatienceWithClients{2};

// "[::1]" and "::1" are the same.
std::string without_brackets(const std::string& address) {
  const bool is_in_brackets = address.starts_with('[') && address.ends_with(']');
  return is_in_brackets ? address.substr(1, address.size() - 2) : address;
}

// IPv6 addresses stand in brackets before a port.
std::string with_port(const std::string& address, int port) {
  const bool is_ipv6 = address.find(':') != std::string::npos;
  return is_ipv6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

bool is_resolved(const std::string& name) {
  addrinfo* found = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, nullptr, &found) != 0) return false;
  ::freeaddrinfo(found);
  return true;
}

// Of a host whose name nobody knows, as a container's: its first address that others may reach.
std::string address_of_this_host() {
  for (const NetworkInterface& interface : network_interfaces())
    if (!interface.is_local && !interface.address.starts_with("fe80:"))
      return interface.address.substr(0, interface.address.find('/'));
  return host_name();
}

std::string name_to_reach(const EndpointAddress& address) {
  if (!address.advertised.empty()) return without_brackets(address.advertised);
  std::string listening = without_brackets(address.listen);
  if (listening != "0.0.0.0" && listening != "::") return listening;
  return is_resolved(host_name()) ? host_name() : address_of_this_host();
}

// Not the library's choice, SO_REUSEPORT, with which two processes have the same port and each half of the
// requests.
void set_socket_options(int socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

}  // namespace

struct MetricsEndpoint::Server {
  explicit Server(const MetricsRegistry& registry) : metrics(registry.collectable()) {
    http.new_task_queue = [] { return new httplib::ThreadPool(kThreadCount); };
    http.set_read_timeout(kPatienceWithClients);
    http.set_write_timeout(kPatienceWithClients);
    http.set_keep_alive_timeout(kPatienceWithClients.count());
    http.set_socket_options(set_socket_options);
    http.Get("/metrics", [this](const httplib::Request&, httplib::Response& answer) {
      answer.set_content(prometheus::TextSerializer().Serialize(metrics->Collect()),
                         "text/plain; version=0.0.4; charset=utf-8");
    });
  }

  ~Server() {
    http.stop();
    if (thread.joinable()) thread.join();
  }

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The port, or -1 with errno's reason.
  int bind(const std::string& address, int wanted) {
    if (wanted == 0) return http.bind_to_any_port(address);
    return http.bind_to_port(address, wanted) ? wanted : -1;
  }

  // False when the system gives it no threads.
  bool start() {
    try {
      thread = std::thread([this] { serve(); });
    } catch (const std::system_error&) {
      return false;
    }
    while (!http.is_running() && !has_failed) std::this_thread::yield();  // stop() has no effect before
    return !has_failed;
  }

  void serve() {
    try {
      http.listen_after_bind();
    } catch (const std::system_error&) {
      has_failed = true;
    }
  }

  std::shared_ptr<prometheus::Collectable> metrics;
  httplib::Server http;
  std::atomic<bool> has_failed = false;
  std::thread thread;
};

MetricsEndpoint::MetricsEndpoint(const MetricsRegistry& registry, const EndpointAddress& address)
    : server_(std::make_unique<Server>(registry)) {
  const std::string listening = without_brackets(address.listen);
  int port = server_->bind(listening, address.port);
  const std::string reason = system_error_text();
  if (port < 0 && address.port != 0) {
    port = server_->bind(listening, 0);
    if (port >= 0)
      log::warning(fmt::format("metrics: cannot listen on {} ({}); taking a free port instead: {}",
                               with_port(listening, address.port), reason, port));
  }
  if (port < 0) {
    log::warning(
        fmt::format("metrics: cannot listen on {} ({}): --metrics-address takes an address of this host; "
                    "going on without",
                    address.listen, is_resolved(listening) ? reason : "it is no address or host name"));
    server_ = nullptr;
    return;
  }
  if (!server_->start()) {
    log::warning("metrics: the system allows no more threads; going on without");
    server_ = nullptr;
    return;
  }
  target_ = with_port(name_to_reach(address), port);
}

MetricsEndpoint::~MetricsEndpoint() = default;

int port_of_rank(int port, int local_rank) {
  return port == 0 ? 0 : port + local_rank;
}

}  // namespace sdlora::monitoring
