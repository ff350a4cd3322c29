// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "base/run_to_end.hpp"
#include "redirect/redirector.hpp"

namespace msi2imds::redirect {
namespace {

TEST(ChooseTest, RefusesANameThatNobodyHas) {
  for (const char* name : {"", "no_such_backend", "Listen", "listen "}) {
    EXPECT_FALSE(run_to_end(choose(name, {}))) << name;
  }
}

TEST(ChooseTest, TakesTheBackendThatIsNamed) {
  const auto choice = run_to_end(choose("listen", {}));
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->redirector->name(), "listen");
  EXPECT_TRUE(choice->refused.empty());
}

TEST(ChooseTest, AutoAlwaysFindsOneAndSaysWhyNotTheOnesBefore) {
  const auto choice = run_to_end(choose("auto", {}));
  ASSERT_TRUE(choice);
  const auto all = all_redirectors();
  const std::size_t place = choice->refused.size();
  ASSERT_LT(place, all.size());
  EXPECT_EQ(choice->redirector->name(), all[place]->name());
  for (std::size_t i = 0; i < place; ++i) {
    EXPECT_TRUE(choice->refused[i].starts_with(std::string(all[i]->name()) + ": ")) << choice->refused[i];
  }
}

TEST(ChooseTest, TriesThemInTheOrderOfWhatTheyCoverAndCost) {
  std::vector<std::string_view> names;
  for (const auto& redirector : all_redirectors()) {
    names.push_back(redirector->name());
  }
  EXPECT_EQ(names,
            (std::vector<std::string_view>{"sk_lookup", "cgroup_connect", "nftables", "iptables", "listen"}));
}

}  // namespace
}  // namespace msi2imds::redirect
