// SPDX-License-Identifier: MIT
#include "base/socket_address.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "base/unique_fd.hpp"

namespace msi2imds {
namespace {

std::string shown(std::string_view address, std::uint16_t port) {
  const auto parsed = SocketAddress::parse(address, port);
  return parsed ? parsed->to_string() : "error";
}

TEST(SocketAddressTest, ReadsAndShowsIpv4) {
  EXPECT_EQ(shown("169.254.169.254", 80), "169.254.169.254:80");
}

TEST(SocketAddressTest, ReadsAndShowsIpv6InItsShortForm) {
  EXPECT_EQ(shown("0:0:0:0:0:0:0:1", 342), "[::1]:342");
  EXPECT_EQ(shown("::ffff:127.0.0.1", 65535), "[::ffff:127.0.0.1]:65535");
}

TEST(SocketAddressTest, KnowsFamilyPortAndSize) {
  const auto v4 = SocketAddress::parse("127.0.0.1", 50342);
  const auto v6 = SocketAddress::parse("::1", 50342);
  ASSERT_TRUE(v4 && v6);
  EXPECT_EQ(v4->family(), AF_INET);
  EXPECT_EQ(v6->family(), AF_INET6);
  EXPECT_EQ(v4->port(), 50342);
  EXPECT_EQ(v6->port(), 50342);
  EXPECT_EQ(v4->size(), sizeof(sockaddr_in));
  EXPECT_EQ(v6->size(), sizeof(sockaddr_in6));
}

TEST(SocketAddressTest, RefusesWhatIsNoLiteral) {
  for (const char* text : {"", "localhost", "127.1", "127.0.0.1:80", "[::1]", "0x7f.0.0.1", "1.2.3.4.5",
                           " 127.0.0.1", "::1%lo", "256.0.0.1"}) {
    EXPECT_FALSE(SocketAddress::parse(text, 1)) << text;
  }
}

TEST(SocketAddressTest, NamesTheRefusedText) {
  EXPECT_EQ(SocketAddress::parse("localhost", 1).error().message(),
            "read address 'localhost': Invalid argument");
}

TEST(SocketAddressTest, RefusesTextBehindANul) {
  EXPECT_FALSE(SocketAddress::parse(std::string_view("127.0.0.1\0.example", 18), 1));
}

TEST(SocketAddressTest, TheLoopbacksAreWhatTheirLiteralsSay) {
  EXPECT_EQ(SocketAddress::ipv4_loopback(342), *SocketAddress::parse("127.0.0.1", 342));
  EXPECT_EQ(SocketAddress::ipv6_loopback(342), *SocketAddress::parse("::1", 342));
}

TEST(SocketAddressTest, DiffersByAddressPortAndFamily) {
  const auto address = SocketAddress::ipv4_loopback(342);
  EXPECT_FALSE(address == SocketAddress::ipv4_loopback(343));
  EXPECT_FALSE(address == SocketAddress::ipv6_loopback(342));
  EXPECT_FALSE(address == *SocketAddress::parse("127.0.0.2", 342));
  EXPECT_FALSE(SocketAddress::ipv6_loopback(1) == *SocketAddress::parse("::2", 1));
}

TEST(SocketAddressTest, AsksASocketForItsAddress) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto wanted = SocketAddress::ipv4_loopback(0);
  ASSERT_EQ(::bind(fd.get(), wanted.get(), wanted.size()), 0);
  const auto address = SocketAddress::local_of(fd.get());
  ASSERT_TRUE(address);
  EXPECT_NE(address->port(), 0);
  EXPECT_EQ(*address, SocketAddress::ipv4_loopback(address->port()));
}

TEST(SocketAddressTest, FailsForADescriptorThatIsNoSocket) {
  const auto address = SocketAddress::local_of(-1);
  ASSERT_FALSE(address);
  EXPECT_EQ(address.error().code().value(), EBADF);
}

TEST(SocketAddressTest, ShowsAnotherFamilyWithoutGuessing) {
  EXPECT_EQ(SocketAddress().to_string(), "(no internet address)");
}

}  // namespace
}  // namespace msi2imds
