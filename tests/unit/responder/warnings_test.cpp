// SPDX-License-Identifier: MIT
#include "responder/warnings.hpp"

#include <gtest/gtest.h>

#include "base/log.hpp"

namespace msi2imds::responder {
namespace {

int admitted(Warnings& warnings, const Holder& holder, int wanted) {
  int count = 0;
  for (int i = 0; i < wanted; ++i) {
    count += warnings.has_room_for(holder) ? 1 : 0;
  }
  return count;
}

TEST(WarningsTest, OneOwnerLeavesRoomForOthers) {
  Warnings warnings;
  const int first = admitted(warnings, {.owner = 1000, .uid = 1000}, 1000);
  EXPECT_GE(first, 20);
  EXPECT_LT(first, 100);
  EXPECT_EQ(admitted(warnings, {.owner = 2000, .uid = 2000}, 1), 1);
  EXPECT_EQ(warnings.left_out(), 1000U - static_cast<unsigned>(first));
}

TEST(WarningsTest, TellsOnceHowManyWereLeftOut) {
  log::start({}, "test");
  Warnings warnings;
  (void)admitted(warnings, {.owner = 1000, .uid = 1000}, 1000);
  testing::internal::CaptureStderr();
  warnings.tell_left_out();
  warnings.tell_left_out();
  const std::string said = testing::internal::GetCapturedStderr();
  const std::string expected = "left out " + std::to_string(warnings.left_out()) + " warnings about callers";
  EXPECT_NE(said.find(expected), std::string::npos) << said;
  EXPECT_EQ(said.find("left out"), said.rfind("left out"));
}

}  // namespace
}  // namespace msi2imds::responder
