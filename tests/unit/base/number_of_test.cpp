// SPDX-License-Identifier: MIT
#include "base/number_of.hpp"

#include <gtest/gtest.h>

namespace msi2imds {
namespace {

TEST(NumberOfTest, OnlyOneIsSingular) {
  EXPECT_EQ(number_of(0, "request"), "0 requests");
  EXPECT_EQ(number_of(1, "request"), "1 request");
  EXPECT_EQ(number_of(11, "log line"), "11 log lines");
}

}  // namespace
}  // namespace msi2imds
