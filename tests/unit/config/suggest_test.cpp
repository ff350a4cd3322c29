// SPDX-License-Identifier: MIT
#include "config/suggest.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace msi2imds::config {
namespace {

TEST(SuggestTest, CountsEachKindOfEditOnce) {
  EXPECT_EQ(edit_distance("ports", "ports"), 0U);
  EXPECT_EQ(edit_distance("port", "ports"), 1U);
  EXPECT_EQ(edit_distance("pports", "ports"), 1U);
  EXPECT_EQ(edit_distance("posts", "ports"), 1U);
  EXPECT_EQ(edit_distance("prots", "ports"), 1U);
  EXPECT_EQ(edit_distance("", "ports"), 5U);
  EXPECT_EQ(edit_distance("ports", ""), 5U);
}

TEST(SuggestTest, TakesTheNearestOfTheWordsThatMayBeMeant) {
  const std::vector<std::string_view> words = {"hosts", "ports"};
  EXPECT_EQ(nearest("port", words), "ports");
  EXPECT_EQ(nearest("host", words), "hosts");
  EXPECT_EQ(nearest("backend", words), std::nullopt);
  EXPECT_EQ(nearest("port", {}), std::nullopt);
}

}  // namespace
}  // namespace msi2imds::config
