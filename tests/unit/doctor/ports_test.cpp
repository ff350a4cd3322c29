// SPDX-License-Identifier: MIT
#include "doctor/ports.hpp"

#include <sys/prctl.h>

#include "support_cpp/sockets.hpp"
#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

// The sockets are real ones, the processes those of the fake machine or of this one.
class PortsTest : public FakeMachine {
 protected:
  PortsTest() {
    config.redirect.listen_port = 1;
  }

  Findings check_here() {
    Host here = host();
    here.root.proc = "/proc";
    return check_ports(here);
  }

  UniqueFd socket_ = support::listen_on_loopback();
  std::uint16_t port_ = support::address_of(socket_).port();
};

TEST_F(PortsTest, NobodyListens) {
  config.legacy.ports = {2};
  const Findings findings = check_here();
  EXPECT_EQ(find(findings, "Nobody listens on the legacy ports (2).").level, Level::ok);
}

TEST_F(PortsTest, SomebodyElseOnALegacyPortIsAnError) {
  config.legacy.ports = {port_};
  const Finding finding = find(check_here(), "and is not the extension");
  EXPECT_EQ(finding.level, Level::error);
  EXPECT_NE(finding.text.find("doctor_test (pid " + std::to_string(::getpid())), std::string::npos)
      << finding.text;
}

TEST_F(PortsTest, SomebodyElseOnOurOwnPortIsAnError) {
  config.legacy.ports = {2};
  config.redirect.listen_port = port_;
  EXPECT_EQ(find(check_here(), "where msi2imds wants to listen").level, Level::error);
}

TEST_F(PortsTest, WhereASocketUnitHoldsOurPortBothHaveToBeMoved) {
  config.redirect.listen_port = port_;
  EXPECT_EQ(find(check_here(), "where msi2imds wants to listen").advice.find("ListenStream="),
            std::string::npos);
  write("usr/lib/systemd/system/msi2imds.socket", "");
  EXPECT_NE(find(check_here(), "where msi2imds wants to listen").advice.find("ListenStream="),
            std::string::npos);
}

TEST_F(PortsTest, AHolderThatCannotBeSeenIsAWarning) {
  config.legacy.ports = {port_};
  EXPECT_EQ(find(check_ports(host()), "it is not known which process").level, Level::warning);
  is_root = false;
  EXPECT_EQ(find(check_ports(host()), "it is not known which process").level, Level::unknown);
}

// The socket belongs to root only when root runs the test; for anybody else the name alone does not count.
TEST_F(PortsTest, TheNameAloneDoesNotMakeAHolderOurs) {
  config.legacy.ports = {port_};
  ASSERT_EQ(::prctl(PR_SET_NAME, "msi2imds"), 0);
  const Findings findings = check_here();
  ASSERT_EQ(::prctl(PR_SET_NAME, "doctor_test"), 0);
  EXPECT_EQ(worst_of(findings), ::geteuid() == 0 ? Level::ok : Level::error);
}

// As above, the name counts for root alone.
TEST_F(PortsTest, TheExtensionKeepsItsPortWhereWeRedirect) {
  config.legacy.ports = {port_};
  Host here = host();
  here.root.proc = "/proc";
  ASSERT_EQ(::prctl(PR_SET_NAME, "msi-extension"), 0);
  const Findings beside = check_port_of_extension(here, "nftables");
  const Findings in_the_way = check_port_of_extension(here, "listen");
  ASSERT_EQ(::prctl(PR_SET_NAME, "doctor_test"), 0);
  EXPECT_TRUE(beside.empty());
  EXPECT_EQ(worst_of(in_the_way), ::geteuid() == 0 ? Level::error : Level::ok);
}

TEST_F(PortsTest, AnOutgoingConnectionFromALegacyPortIsAWarning) {
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress server = support::address_of(socket_);
  ASSERT_EQ(::connect(client.get(), server.get(), server.size()), 0);
  const SocketAddress own = support::address_of(client);
  config.legacy.ports = {own.port()};
  const Findings findings = check_here();
  EXPECT_EQ(find(findings, own.to_string() + " as its own end").level, Level::warning);
  EXPECT_EQ(find(findings, "Nobody listens").level, Level::ok);
}

TEST_F(PortsTest, AnAcceptedConnectionIsNoOutgoingOne) {
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress server = support::address_of(socket_);
  ASSERT_EQ(::connect(client.get(), server.get(), server.size()), 0);
  const UniqueFd accepted(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted);
  config.legacy.ports = {port_};
  for (const Finding& finding : check_here()) {
    EXPECT_EQ(finding.text.find("outgoing"), std::string::npos) << finding.text;
  }
}

}  // namespace
}  // namespace msi2imds::doctor
