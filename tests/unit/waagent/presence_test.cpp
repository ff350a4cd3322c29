// SPDX-License-Identifier: MIT
#include "waagent/presence.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::waagent {
namespace {

class PresenceTest : public testing::Test {
 protected:
  void write_state(const char* state) {
    const auto folder =
        places_.root / "Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux-1.0.0.8" / "config";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "HandlerState") << state;
  }

  support::TemporaryDirectory directory_;
  Places places_{
      .root = directory_.file("waagent"), .state = directory_.file("state"), .proc = directory_.file("proc")};
};

TEST_F(PresenceTest, IsThereWhileTheAgentHasIt) {
  EXPECT_FALSE(is_present(places_));
  for (const auto& [state, expected] : {std::pair("Enabled", true), std::pair("NotInstalled", false)}) {
    write_state(state);
    EXPECT_EQ(is_present(places_), expected) << state;
  }
}

TEST_F(PresenceTest, WhatCannotBeReadCountsAsThere) {
  std::ofstream(places_.root) << "no directory";
  EXPECT_TRUE(is_present(places_));
}

}  // namespace
}  // namespace msi2imds::waagent
