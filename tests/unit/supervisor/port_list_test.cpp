// SPDX-License-Identifier: MIT
#include "supervisor/port_list.hpp"

#include <gtest/gtest.h>

#include <initializer_list>

namespace msi2imds::supervisor {
namespace {

PortSet set_of(std::initializer_list<std::size_t> ports) {
  PortSet set;
  for (const std::size_t port : ports) {
    set.set(port);
  }
  return set;
}

TEST(PortListTest, ReadsWhatTheKernelPrints) {
  EXPECT_EQ(parse_port_list("1-5,8,50342\n"), set_of({1, 2, 3, 4, 5, 8, 50342}));
}

TEST(PortListTest, ReadsAnEmptyList) {
  EXPECT_EQ(parse_port_list("\n"), PortSet());
  EXPECT_EQ(parse_port_list(""), PortSet());
}

TEST(PortListTest, ReadsOverlappingRangesInAnyOrder) {
  EXPECT_EQ(parse_port_list("7,3-5,4-6,5"), set_of({3, 4, 5, 6, 7}));
}

TEST(PortListTest, ReadsTheFirstAndTheLastPort) {
  EXPECT_EQ(parse_port_list("0,65535"), set_of({0, 65535}));
  EXPECT_EQ(parse_port_list("0-65535"), ~PortSet());
}

TEST(PortListTest, RefusesWhatIsNoList) {
  for (const char* text : {",", "1,", ",1", "1,,2", "1-", "-1", "5-1", "1-2-3", "65536", "1 2", " 1", "x",
                           "1\n\n", "1x", "+1", "99999999999999999999"}) {
    EXPECT_FALSE(parse_port_list(text)) << text;
  }
}

TEST(PortListTest, PrintsNeighboursAsARange) {
  EXPECT_EQ(to_port_list(set_of({8, 1, 2, 3, 50342})), "1-3,8,50342");
  EXPECT_EQ(to_port_list(set_of({1, 2})), "1-2");
}

TEST(PortListTest, PrintsTheEndsOfTheRangeOfPorts) {
  EXPECT_EQ(to_port_list(set_of({0, 65534, 65535})), "0,65534-65535");
  EXPECT_EQ(to_port_list(~PortSet()), "0-65535");
}

TEST(PortListTest, PrintsNothingForNoPort) {
  EXPECT_EQ(to_port_list(PortSet()), "");
}

}  // namespace
}  // namespace msi2imds::supervisor
