// SPDX-License-Identifier: MIT
#include "base/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <stdexcept>

#include "base/error_category.hpp"

namespace msi2imds {
namespace {

enum class Errc { burnt = 1 };

const char* explain(Errc errc) {
  return errc == Errc::burnt ? "the bread is burnt" : "unknown error";
}

TEST(ErrorTest, AModulesOwnErrorsHaveWordsOfTheirOwn) {
  const ErrorCategory<Errc> category("kitchen", explain);
  const Error error({static_cast<int>(Errc::burnt), category}, "bake");
  EXPECT_EQ(error.message(), "bake: the bread is burnt");
  EXPECT_STREQ(error.code().category().name(), "kitchen");
}

TEST(ErrorTest, SaysWhatWasDoneAndWhyItFailed) {
  EXPECT_EQ(Error::from_errno(EPERM, "attach sk_lookup").message(),
            "attach sk_lookup: Operation not permitted");
}

TEST(ErrorTest, KeepsTheCodeToDecideOn) {
  const Error error = Error::from_errno(ENOENT, "open a file");
  EXPECT_EQ(error.code(), boost::system::errc::no_such_file_or_directory);
}

TEST(ErrorTest, ShowsOnlyTheContextWhenThereIsNoCode) {
  EXPECT_EQ(Error({}, "legacy.ports: choose a port").message(), "legacy.ports: choose a port");
}

TEST(ErrorTest, ShowsOnlyTheCodeWhenThereIsNoContext) {
  EXPECT_EQ(Error::from_errno(EPERM, "").message(), "Operation not permitted");
}

TEST(ErrorTest, ChainsWhatTheCallersWereDoing) {
  const Error error = Error::from_errno(EPERM, "open link").within("attach").within("start");
  EXPECT_EQ(error.message(), "start: attach: open link: Operation not permitted");
  EXPECT_EQ(error.code().value(), EPERM);
}

TEST(ErrorTest, TakingTheValueOfAFailureIsABug) {
  const Result<int> result = Error::from_errno(EPERM, "count");
  EXPECT_THROW((void)result.value(), std::logic_error);
}

}  // namespace
}  // namespace msi2imds
