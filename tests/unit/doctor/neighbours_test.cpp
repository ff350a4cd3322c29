// SPDX-License-Identifier: MIT
#include "doctor/neighbours.hpp"

#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

class NeighboursTest : public FakeMachine {};

TEST_F(NeighboursTest, NobodyElseIsHere) {
  const Findings findings = check_neighbours(host());
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].level, Level::ok);
  // Firewalls and routes are judged elsewhere.
  EXPECT_EQ(findings[0].text, "Neither the guest proxy agent nor systemd-imdsd nor Azure Arc is here.");
}

TEST_F(NeighboursTest, TheGuestProxyAgentRuns) {
  write("proc/77/comm", "azure-proxy-age\n");  // as much as the kernel keeps
  EXPECT_EQ(find(check_neighbours(host()), "guest proxy agent").level, Level::warning);
}

TEST_F(NeighboursTest, TheGuestProxyAgentIsInstalled) {
  write("usr/lib/systemd/system/azure-proxy-agent.service", "");
  EXPECT_EQ(find(check_neighbours(host()), "is installed: it decides").level, Level::warning);
}

TEST_F(NeighboursTest, ImdsdRuns) {
  write("proc/77/comm", "systemd-imdsd\n");
  EXPECT_EQ(find(check_neighbours(host()), "Systemd-imdsd runs").level, Level::ok);
}

TEST_F(NeighboursTest, ImdsdIsInstalled) {
  write("usr/lib/systemd/system/systemd-imdsd.service", "");
  EXPECT_EQ(find(check_neighbours(host()), "Systemd-imdsd is installed").level, Level::ok);
}

TEST_F(NeighboursTest, ArcIsHere) {
  write("proc/77/comm", "himds\n");
  EXPECT_EQ(find(check_neighbours(host()), "another protocol").level, Level::warning);
}

TEST_F(NeighboursTest, CloudShellIsNoPlace) {
  write("proc/self/environ", std::string_view("HOME=/\0ACC_CLOUD=PROD\0", 22));
  EXPECT_EQ(find(check_neighbours(host()), "Cloud Shell").level, Level::error);
}

TEST_F(NeighboursTest, CloudShellIsKnownByItsFirstProcess) {
  write("proc/1/environ", "AZUREPS_HOST_ENVIRONMENT=cloud-shell/1.0");
  EXPECT_EQ(find(check_neighbours(host()), "Cloud Shell").level, Level::error);
}

TEST_F(NeighboursTest, FirewallsAreFine) {
  write("run/firewalld/x", "");
  write("etc/ufw/ufw.conf", "# on\nENABLED=yes\n");
  const Findings findings = check_neighbours(host());
  EXPECT_EQ(find(findings, "Firewalld is in use").level, Level::ok);
  EXPECT_EQ(find(findings, "Ufw is in use").level, Level::ok);
}

TEST_F(NeighboursTest, UfwThatIsOffIsNotThere) {
  write("etc/ufw/ufw.conf", "ENABLED=no\n");
  EXPECT_EQ(check_neighbours(host()).size(), 1);
}

}  // namespace
}  // namespace msi2imds::doctor
