#include "common/network_interfaces.h"

#include <gtest/gtest.h>

namespace sdlora {
namespace {

TEST(NetworkInterfaces, ThatAreBridgesOfThisHostAreLeftOutByName) {
  const std::vector<NetworkInterface> some{{"eth0", "10.0.0.1/24", false},
                                           {"docker0", "172.17.0.1/16", true},
                                           {"docker0", "fe80::1/64", true},
                                           {"virbr0", "192.168.122.1/24", true}};
  EXPECT_EQ(interfaces_to_exclude(some), "lo,docker0,virbr0");
  EXPECT_EQ(interfaces_to_exclude({}), "lo");
  EXPECT_EQ(describe(some),
            "eth0 10.0.0.1/24, docker0 172.17.0.1/16, docker0 fe80::1/64, virbr0 192.168.122.1/24");
  EXPECT_EQ(describe({}), "none");
}

TEST(NetworkInterfaces, AreThoseOfTheKernelWithoutLoopback) {
  for (const NetworkInterface& interface : network_interfaces()) {
    EXPECT_NE(interface.name, "lo");
    EXPECT_NE(interface.address.find('/'), std::string::npos) << interface.address;
  }
}

}  // namespace
}  // namespace sdlora
