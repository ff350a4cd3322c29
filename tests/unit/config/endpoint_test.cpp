// SPDX-License-Identifier: MIT
#include "config/endpoint.hpp"

#include <gtest/gtest.h>

#include <string>

namespace msi2imds::config {
namespace {

std::string refusal(std::string_view text) {
  const auto endpoint = parse_endpoint(text);
  return endpoint ? "" : endpoint.error().message();
}

TEST(EndpointTest, HoldsTheParsedDefault) {
  const auto endpoint = parse_endpoint("http://169.254.169.254");
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(*endpoint, Endpoint{});
}

TEST(EndpointTest, TakesAPortAndOneTrailingSlash) {
  const auto endpoint = parse_endpoint("http://10.1.2.3:8080/");
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->address, "10.1.2.3");
  EXPECT_EQ(endpoint->port, 8080);
  EXPECT_EQ(endpoint->text, "http://10.1.2.3:8080/");
}

TEST(EndpointTest, WritesAnIpv6AddressInItsShortForm) {
  const auto endpoint = parse_endpoint("http://[FD00:0::0001]");
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->address, "fd00::1");
  EXPECT_EQ(endpoint->port, 80);
  EXPECT_TRUE(endpoint->v6);
}

TEST(EndpointTest, RefusesAnythingButHttp) {
  EXPECT_EQ(refusal("https://1.2.3.4"), "does not start with http://");
  EXPECT_EQ(refusal("1.2.3.4"), "does not start with http://");
  EXPECT_EQ(refusal(""), "does not start with http://");
}

TEST(EndpointTest, RefusesWhatIsMoreThanAnAddressAndAPort) {
  EXPECT_EQ(refusal("http://1.2.3.4/metadata"), "has a path");
  EXPECT_EQ(refusal("http://1.2.3.4//"), "has a path");
  EXPECT_EQ(refusal("http://u:p@1.2.3.4"), "has user information");
  EXPECT_EQ(refusal("http://1.2.3.4/?a=b"), "has a query or a fragment");
  EXPECT_EQ(refusal("http://1.2.3.4#a"), "has a query or a fragment");
}

TEST(EndpointTest, RefusesWhatIsNoLiteralAddress) {
  for (const std::string_view text :
       {"http://", "http:///", "http://localhost", "http://127.1", "http://2130706433", "http://1.2.3.4.5",
        "http://::1", "http://[::1", "http://[1.2.3.4]", "http://[fe80::1%eth0]", "http:// 1.2.3.4"}) {
    EXPECT_EQ(refusal(text), "has no literal IPv4 or [IPv6] address") << text;
  }
}

TEST(EndpointTest, RefusesAZeroByteInTheAddress) {
  EXPECT_EQ(refusal(std::string_view("http://1.2.3.4\0.example", 22)),
            "has no literal IPv4 or [IPv6] address");
}

TEST(EndpointTest, RefusesWhatIsNoPort) {
  for (const std::string_view text : {"http://1.2.3.4:", "http://1.2.3.4:0", "http://1.2.3.4:65536",
                                      "http://1.2.3.4:+80", "http://1.2.3.4:80a", "http://[::1]80"}) {
    EXPECT_EQ(refusal(text), "has no port from 1 to 65535 after its address") << text;
  }
}

}  // namespace
}  // namespace msi2imds::config
