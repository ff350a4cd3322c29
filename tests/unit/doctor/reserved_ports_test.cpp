// SPDX-License-Identifier: MIT
#include "doctor/kernel_settings.hpp"
#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

class ReservedPortsTest : public FakeMachine {
 protected:
  Finding check(std::string_view reserved) {
    write("proc/sys/net/ipv4/ip_local_reserved_ports", reserved);
    Findings findings = check_reserved_ports(host());
    EXPECT_EQ(findings.size(), 1);
    return findings.front();
  }
};

TEST_F(ReservedPortsTest, AReservedPortIsFine) {
  EXPECT_EQ(check("80,50342\n").level, Level::ok);
  EXPECT_EQ(check("50000-51000\n").level, Level::ok);
}

TEST_F(ReservedPortsTest, OneThatIsNotReservedIsAWarning) {
  for (const char* reserved : {"", "\n", "80,50341,50343-50344\n", "nonsense,-\n"}) {
    EXPECT_EQ(check(reserved).level, Level::warning) << reserved;
  }
}

TEST_F(ReservedPortsTest, TheAdviceDependsOnWhetherMsi2imdsRuns) {
  EXPECT_NE(check("").advice.find("which reserves them"), std::string::npos);
  is_running = true;
  EXPECT_NE(check("").advice.find("reload"), std::string::npos);
}

TEST_F(ReservedPortsTest, APortThatOutgoingConnectionsDoNotGetNeedsNothing) {
  write("proc/sys/net/ipv4/ip_local_port_range", "10000\t20000\n");
  EXPECT_EQ(check("").level, Level::ok);
}

TEST_F(ReservedPortsTest, AListenPortThatAnybodyMayTakeIsAWarning) {
  write("proc/sys/net/ipv4/ip_local_reserved_ports", "50342\n");
  for (const char* start : {"0\n", "342\n"}) {
    write("proc/sys/net/ipv4/ip_unprivileged_port_start", start);
    const Findings findings = check_reserved_ports(host());
    EXPECT_EQ(findings.front().level, Level::warning);
    EXPECT_NE(findings.front().text.find("port 342 (redirect.listen_port)"), std::string::npos);
  }
  for (const char* start : {"343\n", "1024\n"}) {
    write("proc/sys/net/ipv4/ip_unprivileged_port_start", start);
    EXPECT_EQ(worst_of(check_reserved_ports(host())), Level::ok) << start;
  }
}

TEST_F(ReservedPortsTest, AKernelWithoutTheListIsAWarning) {
  EXPECT_EQ(worst_of(check_reserved_ports(host())), Level::warning);
}

}  // namespace
}  // namespace msi2imds::doctor
