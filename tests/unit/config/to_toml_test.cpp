// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "config/endpoint.hpp"
#include "config/keys.hpp"
#include "config/read.hpp"
#include "config/write.hpp"

namespace msi2imds::config {
namespace {

// A configuration in which no key has its default.
Config unusual_config() {
  Config config;
  config.legacy = {false, {1, 65535}, {"a.example", "[fe80::1]"}, false, {"web", "shop/*"}};
  config.redirect = {"cgroup_connect", 9, {"/a", "/b/c"}, 7, "/sys/fs/bpf/other"};
  config.imds = {*parse_endpoint("http://[fd00::1]:8080/"),
                 std::chrono::seconds(3),
                 std::chrono::seconds(4),
                 21,
                 6,
                 std::chrono::seconds(76),
                 std::chrono::seconds(0),
                 8};
  config.tokens = {false, std::chrono::seconds(301), std::chrono::seconds(86'400), 70'000, false, false};
  config.responder = {"somebody", 5, std::chrono::seconds(6), std::chrono::seconds(7),
                      std::chrono::seconds(8)};
  config.admin = {"/tmp/admin.sock"};
  config.policy = {PolicyMode::enforce, PolicyDefault::allow, true};
  config.allow = {{"backup",
                   "f:3",
                   {{1, 4'000'000'000},
                    {2},
                    {"a.service", "/b/c"},
                    {"/bin/d"},
                    {std::string(64, 'a')},
                    {"0123456789ab"},
                    {"web-*"},
                    {"registry/app:*"},
                    {"https://*"},
                    {"none"}}},
                  {"", "g:4", {{}, {}, {}, {}, {}, {}, {}, {}, {"x"}, {}}}};
  const std::string guid = "01234567-89ab-cdef-0123-456789abcdef";
  const std::string resource_id =
      "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n";
  config.identity = {{token::SelectorKind::client_id, guid},
                     {{"backup",
                       "f:5",
                       {{1},
                        {2},
                        {"a.service"},
                        {"/bin/d"},
                        {std::string(64, 'b')},
                        {std::string(64, 'c')},
                        {"shop/*"},
                        {"app"},
                        {"r"},
                        {}},
                       {token::SelectorKind::object_id, guid}},
                      {"",
                       "f:9",
                       {{3}, {}, {}, {}, {}, {}, {}, {}, {}, {}},
                       {token::SelectorKind::resource_id, resource_id}}}};
  config.audit = {"/tmp/audit", AuditFormat::json, 7};
  config.callers = {"/tmp/callers", "/a"};
  config.metrics = {9342};
  config.retire = {31};
  config.waagent = {"/tmp/waagent", "/tmp/state"};
  config.log = {log::Level::error, log::Format::json};
  return config;
}

void expect_round_trip(const Config& config) {
  const std::string text = to_toml(config);
  const auto again = parse(text, "f");
  ASSERT_TRUE(again) << again.error().message() << '\n' << text;
  EXPECT_EQ(*again, config) << text;
}

TEST(ToTomlTest, IsReadBackToTheDefaults) {
  expect_round_trip(Config{});
}

TEST(ToTomlTest, IsReadBackWhenEveryKeyIsUnusual) {
  expect_round_trip(unusual_config());
}

TEST(ToTomlTest, WritesAnIdentityInTheLineOfItsKey) {
  Config config;
  config.identity.default_ = {token::SelectorKind::object_id, "01234567-89ab-cdef-0123-456789abcdef"};
  const std::string text = to_toml(config);
  EXPECT_NE(text.find("default = { object_id = "), std::string::npos) << text;
}

TEST(ToTomlTest, IsReadBackWithRulesAlone) {
  Config config;
  config.identity.rules = unusual_config().identity.rules;
  expect_round_trip(config);
}

TEST(ToTomlTest, KeepsStringsThatNeedEscapes) {
  Config config;
  config.responder.user = R"(a"b\c'd é 你)";
  config.admin.socket = R"(/tmp/'''"""\u0041)";
  expect_round_trip(config);
}

TEST(ToTomlTest, WritesEveryKeyWithItsValue) {
  const std::string text = to_toml(unusual_config());
  for (const Key& key : keys()) {
    const KeyName name = split(key.name);
    EXPECT_NE(text.find("[" + std::string(name.table) + "]\n"), std::string::npos) << name.table << '\n'
                                                                                   << text;
    EXPECT_NE(text.find("\n" + std::string(name.leaf) + " = "), std::string::npos) << key.name << '\n'
                                                                                   << text;
  }
}

TEST(ToTomlTest, WritesDifferentTextForEachKeyThatIsChanged) {
  const Config unusual = unusual_config();
  for (const Key& key : keys()) {
    Config config;
    key.read(key.write(unusual), config,
             [&](Position, const std::string& what) { ADD_FAILURE() << key.name << ": " << what; });
    EXPECT_NE(config, Config{}) << key.name;
    expect_round_trip(config);
  }
}

}  // namespace
}  // namespace msi2imds::config
