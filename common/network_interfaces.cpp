#include "common/network_interfaces.h"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

namespace sdlora {
namespace {

// Docker's, Podman's, libvirt's, LXC's, Kubernetes's; br-1f0c7a1b22de is a network of Docker's.
bool is_bridge_of_containers(const std::string& name) {
  for (const char* prefix : {"docker", "podman", "cni", "virbr", "lxcbr", "lxdbr", "veth", "br-", "kube-"})
    if (name.starts_with(prefix)) return true;
  return false;
}

template <size_t N>
int prefix_length(const std::array<unsigned char, N>& mask) {
  int bits = 0;
  for (const unsigned char byte : mask) bits += std::popcount(byte);
  return bits;
}

std::string text_of(const ifaddrs& entry) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (entry.ifa_addr->sa_family == AF_INET) {
    const auto* address = reinterpret_cast<const sockaddr_in*>(entry.ifa_addr);
    const auto* mask = reinterpret_cast<const sockaddr_in*>(entry.ifa_netmask);
    ::inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size());
    return fmt::format("{}/{}", text.data(),
                       prefix_length(std::bit_cast<std::array<unsigned char, 4>>(mask->sin_addr)));
  }
  const auto* address = reinterpret_cast<const sockaddr_in6*>(entry.ifa_addr);
  const auto* mask = reinterpret_cast<const sockaddr_in6*>(entry.ifa_netmask);
  ::inet_ntop(AF_INET6, &address->sin6_addr, text.data(), text.size());
  return fmt::format("{}/{}", text.data(),
                     prefix_length(std::bit_cast<std::array<unsigned char, 16>>(mask->sin6_addr)));
}

}  // namespace

std::vector<NetworkInterface> network_interfaces() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(first, ::freeifaddrs);
  std::vector<NetworkInterface> all;
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    const bool has_address =
        entry->ifa_addr != nullptr && entry->ifa_netmask != nullptr &&
        (entry->ifa_addr->sa_family == AF_INET || entry->ifa_addr->sa_family == AF_INET6);
    if (!has_address || (entry->ifa_flags & IFF_UP) == 0 || (entry->ifa_flags & IFF_LOOPBACK) != 0) continue;
    all.push_back({entry->ifa_name, text_of(*entry), is_bridge_of_containers(entry->ifa_name)});
  }
  return all;
}

std::string interfaces_to_exclude(const std::vector<NetworkInterface>& interfaces) {
  std::vector<std::string> names{"lo"};
  for (const NetworkInterface& interface : interfaces)
    if (interface.is_local && std::find(names.begin(), names.end(), interface.name) == names.end())
      names.push_back(interface.name);
  return fmt::format("{}", fmt::join(names, ","));
}

std::string command_to_exclude(const std::vector<NetworkInterface>& interfaces) {
  const std::string names = interfaces_to_exclude(interfaces);
  return fmt::format("export OMPI_MCA_btl_tcp_if_exclude={} OMPI_MCA_oob_tcp_if_exclude={}", names, names);
}

std::string describe(const std::vector<NetworkInterface>& interfaces) {
  std::vector<std::string> texts;
  texts.reserve(interfaces.size());
  for (const NetworkInterface& interface : interfaces)
    texts.push_back(interface.name + " " + interface.address);
  return texts.empty() ? "none" : fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace sdlora
