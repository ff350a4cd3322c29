// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>

#include "problem_text.hpp"

namespace msi2imds::config {
namespace {

TEST(CheckTest, RefusesAListenPortThatIsALegacyPort) {
  EXPECT_EQ(problems_in("[legacy]\nports = [7, 8]\n[redirect]\nlisten_port = 8"),
            "f:4:1: redirect.listen_port: port 8 is also in legacy.ports (f:2:1); expected different ports");
}

TEST(CheckTest, NamesADefaultAsTheOtherSide) {
  EXPECT_EQ(
      problems_in("redirect.listen_port = 50342"),
      "f:1:10: redirect.listen_port: port 50342 is also in legacy.ports (the default); expected different "
      "ports");
  EXPECT_EQ(problems_in("legacy.ports = [342]"),
            "f:1:8: legacy.ports: port 342 is also in redirect.listen_port (the default); expected different "
            "ports");
}

TEST(CheckTest, RefusesAnEndpointThatIsALegacyPortOfOurs) {
  EXPECT_EQ(problems_in("[legacy]\nports = [7]\n[imds]\nendpoint = 'http://127.0.0.1:7'"),
            "f:4:1: imds.endpoint: http://127.0.0.1:7 leads back to msi2imds itself: port 7 is in "
            "legacy.ports (f:2:1); "
            "expected the address of IMDS, or another port");
}

TEST(CheckTest, RefusesAnEndpointThatIsOurListenPort) {
  EXPECT_EQ(problems_in("imds.endpoint = 'http://[::1]:342'"),
            "f:1:6: imds.endpoint: http://[::1]:342 leads back to msi2imds itself: port 342 is in "
            "redirect.listen_port (the "
            "default); expected the address of IMDS, or another port");
}

TEST(CheckTest, KnowsEveryFormOfTheLoopback) {
  for (const std::string address :
       {"127.0.0.1", "127.9.9.9", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.2]", "[::ffff:0.0.0.0]"}) {
    EXPECT_NE(problems_in("imds.endpoint = 'http://" + address + ":50342'"), "") << address;
  }
}

TEST(CheckTest, AllowsAnotherPortOfTheLoopbackAndOurPortElsewhere) {
  EXPECT_EQ(problems_in("imds.endpoint = 'http://127.0.0.1:8080'"), "");
  EXPECT_EQ(problems_in("imds.endpoint = 'http://10.0.0.1:50342'"), "");
  EXPECT_EQ(problems_in("imds.endpoint = 'http://[::ffff:10.0.0.1]:342'"), "");
}

TEST(CheckTest, RefusesCgroupsWithABackendThatRedirectsAllCallers) {
  for (const std::string backend : {"sk_lookup", "nftables", "iptables", "listen"}) {
    EXPECT_EQ(problems_in("[redirect]\nbackend = '" + backend + "'\ncgroups = ['/a.slice']"),
              "f:3:1: redirect.cgroups: " + backend +
                  ", in redirect.backend (f:2:1), redirects all callers; expected cgroup_connect or auto "
                  "there, or []");
  }
  for (const std::string backend : {"auto", "cgroup_connect"}) {
    EXPECT_EQ(problems_in("[redirect]\nbackend = '" + backend + "'\ncgroups = ['/a.slice']"), "");
  }
}

TEST(CheckTest, DoesNotCompareAValueThatCouldNotBeRead) {
  EXPECT_EQ(problems_in("legacy.ports = 7\nredirect.listen_port = 50342"),
            "f:1:16: legacy.ports: expected an array of integers, found an integer");
}

}  // namespace
}  // namespace msi2imds::config
