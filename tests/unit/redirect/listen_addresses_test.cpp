// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "redirect/listen.hpp"
#include "redirect/sk_lookup.hpp"

namespace msi2imds::redirect {
namespace {

std::vector<std::string> listen_addresses(const Redirector& redirector, const Plan& plan) {
  std::vector<std::string> addresses;
  for (const SocketAddress& address : redirector.listen_addresses(plan)) {
    addresses.push_back(address.to_string());
  }
  return addresses;
}

TEST(ListenAddressesTest, ListenTakesTheLegacyPortsThemselves) {
  const std::vector<std::string> expected = {"127.0.0.1:50342", "[::1]:50342", "127.0.0.1:50343",
                                             "[::1]:50343"};
  EXPECT_EQ(listen_addresses(ListenRedirector(), {.legacy_ports = {50342, 50343}, .listen_port = 342}),
            expected);
}

TEST(ListenAddressesTest, SkLookupTakesTheListenPortOfBothFamilies) {
  const std::vector<std::string> expected = {"127.0.0.1:342", "[::1]:342"};
  EXPECT_EQ(listen_addresses(SkLookupRedirector(), {.legacy_ports = {50342, 50343}, .listen_port = 342}),
            expected);
}

}  // namespace
}  // namespace msi2imds::redirect
