// SPDX-License-Identifier: MIT
#include "supervisor/reserved_ports.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>

#include "kernel/connection.hpp"
#include "kernel/namespace.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::supervisor {
namespace {

// The kernel's own list, that of this namespace.
class ReservedPortsKernelTest : public testing::Test {
 protected:
  void SetUp() override {
    kernel::reserve_ports("");
  }
  void TearDown() override {
    kernel::reserve_ports(kernel::kReservedPorts);
  }

  // Large, since the kernel prints its list into the first read only.
  static std::string list() {
    std::string text(1UL << 20U, '\0');
    std::ifstream file(kReservedPortsFile);
    file.rdbuf()->pubsetbuf(nullptr, 0);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
  }
  [[nodiscard]] Result<ReservedPorts> reserve(const std::vector<std::uint16_t>& ports) const {
    return ReservedPorts::reserve(ports, note_);
  }

  support::TemporaryDirectory directory_;
  std::string note_ = directory_.file("reserved-ports");
};

TEST_F(ReservedPortsKernelTest, KernelTakesThePortsAndGivesThemBack) {
  {
    const auto reserved = reserve({50342, 50343, 8});
    ASSERT_TRUE(reserved) << reserved.error().message();
    EXPECT_EQ(list(), "8,50342-50343\n");
  }
  EXPECT_EQ(list(), "\n");
}

TEST_F(ReservedPortsKernelTest, RangesOfOthersSurviveSplitAndJoined) {
  kernel::reserve_ports("1-5,50341,50343-50400");
  {
    const auto reserved = reserve({50342});
    EXPECT_EQ(list(), "1-5,50341-50400\n");
    kernel::reserve_ports("7,50000-51000");
  }
  EXPECT_EQ(list(), "7,50000-51000\n") << "somebody else has decided on the port since";
  kernel::reserve_ports("1-5,50341,50343-50400");
  { const auto reserved = reserve({50342}); }
  EXPECT_EQ(list(), "1-5,50341,50343-50400\n");
}

TEST_F(ReservedPortsKernelTest, TheLongestListSurvives) {
  std::vector<std::uint16_t> ports;
  PortSet others;
  for (std::uint16_t port = 1; port < 65535; port += 2) {
    ports.push_back(port);
    others.set(port);
  }
  // By the means of this module, since the kernel takes no more than a page at a time.
  auto all = ReservedPorts::reserve(ports, directory_.file("others"));
  ASSERT_TRUE(all) << all.error().message();
  all->keep();
  ASSERT_EQ(parse_port_list(list()), others);
  {
    const auto reserved = reserve({50342});
    ASSERT_TRUE(reserved) << reserved.error().message();
    EXPECT_EQ(parse_port_list(list()), PortSet(others).set(50342));
  }
  EXPECT_EQ(parse_port_list(list()), others);
}

TEST_F(ReservedPortsKernelTest, NoOutgoingConnectionTakesAReservedPort) {
  const UniqueFd server = kernel::listen_on("127.0.0.1", 342);
  std::ofstream("/proc/sys/net/ipv4/ip_local_port_range") << "50342 50343" << std::endl;
  const auto reserved = reserve({50342});
  ASSERT_TRUE(reserved) << reserved.error().message();
  const kernel::Dialled first = kernel::dial("127.0.0.1", 342);
  EXPECT_EQ(first.error, 0);
  EXPECT_EQ(SocketAddress::local_of(first.socket.get())->port(), 50343);
  EXPECT_EQ(kernel::dial("127.0.0.1", 342).error, EADDRNOTAVAIL);
  std::ofstream("/proc/sys/net/ipv4/ip_local_port_range") << "32768 60999" << std::endl;
}

}  // namespace
}  // namespace msi2imds::supervisor
