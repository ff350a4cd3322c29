// SPDX-License-Identifier: MIT
#include "netlink/route.hpp"

#include <gtest/gtest.h>

namespace msi2imds::netlink {
namespace {

TEST(RouteTest, TheLoopbackIsLocal) {
  const Result<Route> route = find_route(SocketAddress::ipv4_loopback(80), 0);
  ASSERT_TRUE(route) << route.error().message();
  EXPECT_EQ(route->kind, RouteKind::local);
  EXPECT_EQ(route->device, "lo");
  EXPECT_EQ(route->gateway, "");
}

TEST(RouteTest, AMarkChangesNothingWhereNoRuleLooksAtIt) {
  const Result<Route> route = find_route(SocketAddress::ipv4_loopback(80), 0x1234);
  ASSERT_TRUE(route) << route.error().message();
  EXPECT_EQ(route->kind, RouteKind::local);
}

// Whether there is a ::1 or not.
TEST(RouteTest, Ipv6HasAnAnswerToo) {
  const Result<Route> route = find_route(SocketAddress::ipv6_loopback(80), 0);
  ASSERT_TRUE(route) << route.error().message();
  EXPECT_TRUE(route->kind == RouteKind::local || route->kind == RouteKind::unreachable);
}

}  // namespace
}  // namespace msi2imds::netlink
