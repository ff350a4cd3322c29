// SPDX-License-Identifier: MIT
#include "netlink/endpoint.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace msi2imds::netlink {
namespace {

Endpoint endpoint(const char* address, std::uint16_t port) {
  return to_endpoint(*SocketAddress::parse(address, port));
}

TEST(EndpointTest, KeepsAddressAndPortInNetworkOrder) {
  const Endpoint found = endpoint("127.0.0.1", 50342);
  EXPECT_EQ(found.family, AF_INET);
  EXPECT_EQ(found.address[0], htonl(INADDR_LOOPBACK));
  EXPECT_EQ(found.port, htons(50342));
}

TEST(EndpointTest, KeepsIpv6) {
  const Endpoint found = endpoint("::1", 50342);
  EXPECT_EQ(found.family, AF_INET6);
  EXPECT_EQ(found.address[3], htonl(1));
}

TEST(EndpointTest, TakesAMappedAddressForIpv4) {
  EXPECT_EQ(endpoint("::ffff:127.0.0.1", 342), endpoint("127.0.0.1", 342));
}

TEST(EndpointTest, DoesNotTakeOtherIpv6ForIpv4) {
  for (const char* address : {"::127.0.0.1", "::fffe:127.0.0.1", "1::ffff:127.0.0.1", "64:ff9b::127.0.0.1"}) {
    EXPECT_EQ(endpoint(address, 342).family, AF_INET6) << address;
  }
}

TEST(EndpointTest, DiffersByAddressAndPort) {
  EXPECT_NE(endpoint("127.0.0.1", 342), endpoint("127.0.0.2", 342));
  EXPECT_NE(endpoint("127.0.0.1", 342), endpoint("127.0.0.1", 343));
}

TEST(EndpointTest, IgnoresWhatIpv4LeavesUnused) {
  EXPECT_EQ(make_endpoint(AF_INET, {1, 2, 3, 4}, 5), make_endpoint(AF_INET, {1, 0, 0, 0}, 5));
}

TEST(EndpointTest, HasNoFamilyForAnythingElse) {
  EXPECT_EQ(to_endpoint(SocketAddress()).family, AF_UNSPEC);
  EXPECT_EQ(make_endpoint(AF_UNIX, {1, 2, 3, 4}, 5).family, AF_UNSPEC);
}

}  // namespace
}  // namespace msi2imds::netlink
