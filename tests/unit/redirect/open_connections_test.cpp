// SPDX-License-Identifier: MIT
#include "redirect/open_connections.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "base/run_to_end.hpp"
#include "support_cpp/sockets.hpp"

namespace msi2imds::redirect {
namespace {

constexpr const char* kTable =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:0156 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n"
    "   1: 0100007F:0156 0100007F:B6F2 01 00000000:00000000 00:00000000 00000000     0        0 2 1\n"
    "  12: 0100007F:0156 0100007F:B6F4 06 00000000:00000000 00:00000000 00000000     0        0 0 3\n"
    " 113: 0100007F:0156 0100007F:B6F6 08 00000000:00000000 00:00000000 00000000     0        0 3 1\n"
    "   4: 0100007F:B6F2 0100007F:0156 01 00000000:00000000 00:00000000 00000000     0        0 4 1\n"
    "   5: 0100007F:1156 0100007F:B6F2 01 00000000:00000000 00:00000000 00000000     0        0 5 1\n"
    "   6: 00000000000000000000000001000000:0156 00000000000000000000000001000000:C350 03 0:0 0:0 0 0 0\n";

TEST(OpenConnectionsTest, CountsWhatIsNeitherListeningNorOver) {
  EXPECT_EQ(count_open_connections(kTable, 342), 3U);
  EXPECT_EQ(count_open_connections(kTable, 343), 0U);
}

TEST(OpenConnectionsTest, SurvivesDamagedText) {
  EXPECT_EQ(count_open_connections("", 342), 0U);
  EXPECT_EQ(count_open_connections("\n:0156\n 1: a:0156\n 1: a:0156 b\n 1: a:0156 b zz", 342), 0U);
}

TEST(OpenConnectionsTest, CountsThoseOfThisHost) {
  for (const char* loopback : {"127.0.0.1", "::1"}) {
    UniqueFd listener;
    do {  // some other program may have an outgoing connection with that port
      listener = support::listen_on(*SocketAddress::parse(loopback, 0));
    } while (count_open_connections(support::address_of(listener).port()) != 0);
    const SocketAddress address = support::address_of(listener);
    const UniqueFd client(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(client.get(), address.get(), address.size()), 0);
    EXPECT_EQ(count_open_connections(address.port()), 1U) << loopback;
  }
}

TEST(OpenConnectionsTest, AreWaitedForUntilThereIsNone) {
  std::vector<std::size_t> counts = {0, 2, 2};  // from the last to the first
  const auto count = [&counts] {
    const std::size_t now = counts.back();
    counts.pop_back();
    return now;
  };
  run_to_end(wait_for_none(count, std::chrono::hours(1)));
  EXPECT_TRUE(counts.empty());
}

TEST(OpenConnectionsTest, AreNotWaitedForForEver) {
  run_to_end(wait_for_none([] { return 1; }, std::chrono::milliseconds(1)));
}

}  // namespace
}  // namespace msi2imds::redirect
