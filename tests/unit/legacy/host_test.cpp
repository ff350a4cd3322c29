// SPDX-License-Identifier: MIT
#include "legacy/host.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace msi2imds::legacy {
namespace {

class AllowedHostTest : public testing::TestWithParam<std::string> {};

TEST_P(AllowedHostTest, IsAllowed) {
  EXPECT_TRUE(is_allowed_host(GetParam(), {}));
}

INSTANTIATE_TEST_SUITE_P(Loopback, AllowedHostTest,
                         testing::Values("localhost", "localhost:50342", "LocalHost:50342", "localhost.",
                                         "localhost:", "127.0.0.1", "127.0.0.1:50342", "127.9.9.9:65535",
                                         "127.255.255.255", "0.0.0.0", "0.0.0.0:50342", "[::1]",
                                         "[::1]:50342", "[0:0:0:0:0:0:0:1]", "::1", "[::]:50342",
                                         "[::ffff:127.0.0.1]:50342", "[::FFFF:127.9.9.9]", "[::ffff:7f00:1]",
                                         "[::ffff:0.0.0.0]", "localhost.localdomain", "localhost4",
                                         "localhost4.localdomain4:50342", "localhost6",
                                         "localhost6.localdomain6", "ip6-localhost", "IP6-loopback:50342",
                                         "ipv6-localhost", "ipv6-loopback"));

class ForeignHostTest : public testing::TestWithParam<std::string> {};

TEST_P(ForeignHostTest, IsRefused) {
  EXPECT_FALSE(is_allowed_host(GetParam(), {"allowed.example"}));
}

INSTANTIATE_TEST_SUITE_P(Hosts, ForeignHostTest,
                         testing::Values("", ":50342", ".", "attacker.example", "attacker.example:50342",
                                         "localhost.attacker.example", "127.0.0.1.attacker.example",
                                         "attacker.localhost", "notlocalhost", "user@localhost",
                                         "localhost@attacker.example", "127.0.0.1@attacker.example",
                                         "126.255.255.255", "128.0.0.1", "0.0.0.1", "10.0.0.4",
                                         "169.254.169.254", "127.1", "2130706433", "0x7f.1", "0177.0.0.1",
                                         "127.0.0.256", "localhost,attacker.example",
                                         "localhost attacker.example"));

INSTANTIATE_TEST_SUITE_P(IPv6, ForeignHostTest,
                         testing::Values("[]", "[", "[::1", "::1]", "[::2]", "[fe80::1]", "[::ffff:10.0.0.1]",
                                         "[::127.0.0.1]", "[localhost]", "[127.0.0.1]", "[::1]x",
                                         "[::1]50342", "[::1%lo]", "::1:50342"));

INSTANTIATE_TEST_SUITE_P(Ports, ForeignHostTest,
                         testing::Values("localhost:port", "localhost:50342x", "localhost:-1",
                                         "localhost:65536", "localhost:+80", "localhost:80:80",
                                         "localhost: 80"));

TEST(HostTest, RefusesAnAddressBeforeANullByte) {
  using namespace std::string_view_literals;
  EXPECT_FALSE(is_allowed_host("127.0.0.1\0.attacker.example"sv, {}));
}

TEST(HostTest, AllowsAConfiguredNameInAnyCaseWithAnyPort) {
  const std::vector<std::string> extra = {"first.example", "MSI.Example"};

  EXPECT_TRUE(is_allowed_host("msi.example", extra));
  EXPECT_TRUE(is_allowed_host("Msi.example:50342", extra));
  EXPECT_FALSE(is_allowed_host("more.msi.example", extra));
}

TEST(HostTest, AllowsAConfiguredAddressWithOrWithoutBrackets) {
  EXPECT_TRUE(is_allowed_host("[fd00::5]:50342", {"fd00::5"}));
  EXPECT_TRUE(is_allowed_host("[fd00::5]:50342", {"[fd00::5]"}));
}

TEST(HostTest, AnEmptyConfiguredNameAllowsNothing) {
  EXPECT_FALSE(is_allowed_host("", {""}));
  EXPECT_FALSE(is_allowed_host("attacker.example", {""}));
}

}  // namespace
}  // namespace msi2imds::legacy
