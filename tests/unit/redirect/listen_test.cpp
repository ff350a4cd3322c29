// SPDX-License-Identifier: MIT
#include "redirect/listen.hpp"
#include "base/run_to_end.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace msi2imds::redirect {
namespace {

const Plan kListenPlan = {.legacy_ports = {50342, 50343}};

Listener on(const SocketAddress& address) {
  return {.address = address, .fd = -1};
}

TEST(ListenRedirectorTest, FailsWithoutAListenerForEachPort) {
  const auto redirection = run_to_end(ListenRedirector().install(
      kListenPlan, {on(SocketAddress::ipv4_loopback(50342)), on(SocketAddress::ipv6_loopback(50342)),
                    on(SocketAddress::ipv6_loopback(50343))}));
  ASSERT_FALSE(redirection);
  EXPECT_EQ(redirection.error().code().value(), ENOTCONN);
  EXPECT_NE(redirection.error().message().find("127.0.0.1:50343"), std::string::npos);
}

TEST(ListenRedirectorTest, DoesWithoutIpv6) {
  const auto redirection = run_to_end(ListenRedirector().install(
      kListenPlan, {on(SocketAddress::ipv4_loopback(50342)), on(SocketAddress::ipv4_loopback(50343))}));
  ASSERT_TRUE(redirection);
  EXPECT_TRUE(run_to_end((*redirection)->check()));
}

TEST(ListenRedirectorTest, TakesNoOtherAddressForTheLoopback) {
  const Plan plan = {.legacy_ports = {50342}};
  EXPECT_FALSE(run_to_end(ListenRedirector().install(plan, {on(*SocketAddress::parse("127.0.0.2", 50342))})));
}

TEST(ListenRedirectorTest, IsPossibleUnlessCallersAreToBeChosen) {
  EXPECT_TRUE(run_to_end(ListenRedirector().probe(kListenPlan)));
  const auto probed = run_to_end(ListenRedirector().probe({.legacy_ports = {50342}, .cgroups = {"/a"}}));
  ASSERT_FALSE(probed);
  EXPECT_NE(probed.error().message().find("redirect.cgroups"), std::string::npos);
}

}  // namespace
}  // namespace msi2imds::redirect
