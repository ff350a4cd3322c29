// SPDX-License-Identifier: MIT
#include "doctor/proxies.hpp"

#include "caller/identity.hpp"
#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

bool sends(std::string_view environment) {
  return sends_localhost_to_proxy(environment, '\n');
}

TEST(SendsLocalhostToProxyTest, AProxyWithoutAnException) {
  EXPECT_TRUE(sends("HOME=/\nhttp_proxy=http://10.0.0.1:3128"));
  EXPECT_TRUE(sends("HTTP_PROXY=x\nno_proxy=example.com"));
  EXPECT_TRUE(sends("ALL_PROXY=socks5://x"));
}

TEST(SendsLocalhostToProxyTest, NoProxyOrAnException) {
  EXPECT_FALSE(sends(""));
  EXPECT_FALSE(sends("http_proxy="));
  EXPECT_FALSE(sends("https_proxy=x"));
  EXPECT_FALSE(sends("http_proxy=x\nno_proxy=example.com, localhost"));
  EXPECT_FALSE(sends("http_proxy=x\nNO_PROXY=*"));
  EXPECT_FALSE(sends("NO_PROXY=127.0.0.1\nhttp_proxy=x"));
}

class ProxiesTest : public FakeMachine {
 protected:
  // A caller that was seen with this number, and the process that has it now.
  void add_caller(const std::string& program_now, std::string_view environment) {
    caller::Identity identity;
    identity.uid = 0;
    identity.unit = "backup.service";
    identity.comm = "backup";
    identity.pid = 812;
    callers.record({.time = 1'700'000'000,
                    .caller = identity,
                    .resource = "https://vault.azure.net",
                    .identity = "",
                    .outcome = "token"});
    write("proc/812/comm", program_now + "\n");
    write("proc/812/environ", environment);
    write(
        "proc/812/stat",
        "812 (" + program_now +
            ") S 1 812 812 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0 0 4096 8192 0 0 0 0 0 0 0 0 0 0 17 0 0 0 "
            "0 0 0 0 0 0 1 2 0\n");
    write("proc/812/status", "Name:\tx\nGid:\t0\t0\t0\t0\nGroups:\t\n");
    write("proc/812/cgroup", "0::/system.slice/backup.service\n");
    write("proc/812/cmdline", "backup");
  }
};

TEST_F(ProxiesTest, NobodyIsKnown) {
  EXPECT_EQ(worst_of(check_proxies(host())), Level::ok);
}

TEST_F(ProxiesTest, WithoutRootItIsNotKnown) {
  is_root = false;
  EXPECT_EQ(find(check_proxies(host()), "Which proxies callers have is not known").level, Level::unknown);
}

TEST_F(ProxiesTest, NamesTheUnitAndNeverTheValue) {
  add_caller("backup", "http_proxy=http://user:password@proxy");
  const Finding finding = find(check_proxies(host()), "backup.service");
  EXPECT_EQ(finding.level, Level::warning);
  EXPECT_EQ((finding.text + finding.advice).find("password"), std::string::npos);
}

TEST_F(ProxiesTest, ACallerWithAnExceptionIsFine) {
  add_caller("backup", std::string_view("http_proxy=x\0no_proxy=localhost", 31));
  EXPECT_EQ(find(check_proxies(host()), "No caller that still runs sends").level, Level::ok);
}

TEST_F(ProxiesTest, AnotherProcessOfTheSameNumberDoesNotCount) {
  add_caller("other", "http_proxy=x");
  EXPECT_EQ(find(check_proxies(host()), "No running caller is known").level, Level::ok);
}

TEST_F(ProxiesTest, AProxyForEverybodyIsAWarning) {
  write("etc/environment", "PATH=/bin\nhttp_proxy=\"http://proxy\"\n");
  EXPECT_EQ(find(check_proxies(host()), "/etc/environment").level, Level::warning);
}

}  // namespace
}  // namespace msi2imds::doctor
