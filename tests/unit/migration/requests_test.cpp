// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "migration/verify.hpp"

namespace msi2imds::migration {
namespace {

usage::Table table_with(const std::vector<std::pair<std::string, std::string>>& uses) {
  usage::Table table(1000);
  caller::Identity caller;
  caller.program = "/bin/a";
  for (const auto& [resource, identity] : uses) {
    table.record(
        {.time = 1000, .caller = caller, .resource = resource, .identity = identity, .outcome = "token"});
  }
  return table;
}

TEST(RequestsInUseTest, AreTheUsualOneWhereNothingWasSeen) {
  const auto requests = requests_in_use(usage::Table(), 10);
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].resource, "https://management.azure.com/");
  EXPECT_EQ(requests[0].identity.kind, token::SelectorKind::none);
}

TEST(RequestsInUseTest, AreEachOnceAndNotTooMany) {
  const auto table =
      table_with({{"https://a", "11111111-2222-3333-4444-555555555555"}, {"https://b", "/s/r"}});
  EXPECT_EQ(requests_in_use(table, 3).size(), 3U);
  EXPECT_EQ(requests_in_use(table, 10).size(), 4U) << "each resource with each identity of the caller";
}

TEST(RequestsInUseTest, NameNoneAsWellWhereTheDefaultWasUsed) {
  const std::string id = "aaaaaaaa-2222-3333-4444-555555555555";
  const auto table = table_with({{"https://a", id}});
  EXPECT_EQ(
      requests_in_use(table, 10, {token::SelectorKind::client_id, "11111111-2222-3333-4444-555555555555"})
          .size(),
      1U);
  const auto requests =
      requests_in_use(table, 10, {token::SelectorKind::client_id, "AAAAAAAA-2222-3333-4444-555555555555"});
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].identity.kind, token::SelectorKind::none);
  EXPECT_EQ(requests[1].identity.value, id);
}

TEST(WithDefaultTest, NamesAnIdentityForWhoNamesNone) {
  config::Identity settings;
  settings.default_ = {token::SelectorKind::client_id, "default"};
  token::TokenRequest request;
  EXPECT_EQ(with_default(request, settings).identity, settings.default_);
  request.identity = {token::SelectorKind::object_id, "own"};
  EXPECT_EQ(with_default(request, settings), request);
}

TEST(SelectorTest, IsTakenFromItsText) {
  EXPECT_EQ(selector_of("").kind, token::SelectorKind::none);
  EXPECT_EQ(selector_of("/subscriptions/s").kind, token::SelectorKind::resource_id);
  EXPECT_EQ(selector_of("11111111-2222-3333-4444-555555555555").kind, token::SelectorKind::client_id);
}

}  // namespace
}  // namespace msi2imds::migration
