// The network interfaces of this host, for messages about ranks that do not find each other.
#pragma once

#include <string>
#include <vector>

namespace sdlora {

struct NetworkInterface {
  std::string name;     // "eth0"
  std::string address;  // "10.1.0.7/24", "fd00::2/64"
  bool is_local;  // by its name a bridge for containers or virtual machines: it often has the same address
                  // on every host, and leads nowhere
};

// Those that are up, without loopback; an interface once for each of its addresses.
std::vector<NetworkInterface> network_interfaces();

// "lo,docker0": what MPI should not connect by; "lo" where there is no such interface.
std::string interfaces_to_exclude(const std::vector<NetworkInterface>& interfaces);

// The line for a shell that leaves them out, for the ranks' messages and for those of mpirun.
std::string command_to_exclude(const std::vector<NetworkInterface>& interfaces);

// "eth0 10.1.0.7/24, docker0 172.17.0.1/16"; "none".
std::string describe(const std::vector<NetworkInterface>& interfaces);

}  // namespace sdlora
