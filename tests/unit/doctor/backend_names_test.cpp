// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>

#include "config/read.hpp"
#include "redirect/redirector.hpp"

namespace msi2imds::doctor {
namespace {

// The two modules know nothing of each other: here a backend that the other one lacks is found.
TEST(BackendNamesTest, EachBackendIsChosenByItsNameInTheConfiguration) {
  for (const auto& redirector : redirect::all_redirectors()) {
    const std::string name(redirector->name());
    const auto config = config::parse("redirect.backend = '" + name + "'", "f");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->redirect.backend, name);
  }
}

TEST(BackendNamesTest, TheConfigurationOffersNoOther) {
  std::string offered = "\"auto\"";
  std::string last;
  for (const auto& redirector : redirect::all_redirectors()) {
    offered += last.empty() ? "" : ", " + last;
    last = '"' + std::string(redirector->name()) + '"';
  }
  const auto config = config::parse("redirect.backend = 'other'", "f");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message(),
            "f:1:20: redirect.backend: \"other\" is not known; expected " + offered + " or " + last);
}

}  // namespace
}  // namespace msi2imds::doctor
