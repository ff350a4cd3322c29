// SPDX-License-Identifier: MIT
#include "http/message.hpp"

#include <gtest/gtest.h>

namespace msi2imds::http {
namespace {

TEST(RequestTest, FindsAHeaderInAnyCase) {
  Request request;
  request.headers = {{.name = "Host", .value = "a"}, {.name = "mEtAdata", .value = "true"}};
  const std::string* value = request.header("Metadata");
  ASSERT_NE(value, nullptr);
  EXPECT_EQ(*value, "true");
}

TEST(RequestTest, GivesTheFirstOfSeveralHeaders) {
  Request request;
  request.headers = {{.name = "Host", .value = "a"}, {.name = "host", .value = "b"}};
  EXPECT_EQ(*request.header("HOST"), "a");
}

TEST(RequestTest, TakesNoOtherNameForTheHeader) {
  Request request;
  request.headers = {{.name = "Hosts", .value = "a"}, {.name = "Hos", .value = "b"}};
  EXPECT_EQ(request.header("Host"), nullptr);
}

}  // namespace
}  // namespace msi2imds::http
