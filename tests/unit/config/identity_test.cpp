// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>

#include "config/selector.hpp"
#include "problem_text.hpp"

namespace msi2imds::config {
namespace {

using token::IdentitySelector;
using token::SelectorKind;

constexpr const char* kGuid = "aaaaaaaa-BBBB-cccc-dddd-0123456789ef";
constexpr const char* kResourceId =
    "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n";
constexpr const char* kExpectedTable =
    "expected a table with one of client_id, object_id and msi_res_id, such as { client_id = "
    "\"01234567-89ab-cdef-0123-456789abcdef\" }, or \"none\"";

std::string assigned(const std::string& key, const std::string& value) {
  return key + " = '" + value + "'";
}

IdentitySelector default_in(const std::string& toml) {
  const auto config = parse(toml, "f");
  EXPECT_TRUE(config) << config.error().message();
  return config ? config->identity.default_ : IdentitySelector();
}

std::string problem_of_rule(const std::string& lines) {
  return problems_in("[[identity.rule]]\n" + lines);
}

TEST(IdentityDefaultTest, IsNamedInEachWay) {
  EXPECT_EQ(default_in("identity.default = { client_id = '" + std::string(kGuid) + "' }"),
            (IdentitySelector{SelectorKind::client_id, kGuid}));
  EXPECT_EQ(default_in("[identity]\ndefault = { object_id = '" + std::string(kGuid) + "' }"),
            (IdentitySelector{SelectorKind::object_id, kGuid}));
  EXPECT_EQ(default_in("[identity.default]\nmsi_res_id = '" + std::string(kResourceId) + "'"),
            (IdentitySelector{SelectorKind::resource_id, kResourceId}));
  EXPECT_EQ(default_in("identity.default.client_id = '" + std::string(kGuid) + "'"),
            (IdentitySelector{SelectorKind::client_id, kGuid}));
  EXPECT_EQ(default_in("identity.default = 'none'"), IdentitySelector());
  EXPECT_EQ(default_in(""), IdentitySelector());
}

TEST(IdentityDefaultTest, NamesWhatIsWrongAndWhere) {
  EXPECT_EQ(problems_in("identity.default = { client_id = 'x' }"),
            "f:1:34: identity.default: client_id: \"x\" is not a GUID; expected one such as "
            "\"01234567-89ab-cdef-0123-456789abcdef\"");
  EXPECT_EQ(problems_in("identity.default = { clientid = 'x' }"),
            "f:1:22: identity.default: clientid: unknown key; did you mean client_id?");
  EXPECT_EQ(problems_in("identity.default = { name = 'x' }"),
            "f:1:22: identity.default: name: unknown key; an identity is named by client_id, object_id or "
            "msi_res_id");
  EXPECT_EQ(problems_in("[identity.default]\nclient_id = '" + std::string(kGuid) + "'\nobject_id = '" +
                        std::string(kGuid) + "'"),
            "f:3:1: identity.default: object_id: client_id is given as well; expected only one of them");
  EXPECT_EQ(problems_in("identity.default = { client_id = 5 }"),
            "f:1:34: identity.default: client_id: expected a string, found an integer");
  EXPECT_EQ(problems_in("identity.default = {}"),
            std::string("f:1:20: identity.default: ") + kExpectedTable + ", found an empty table");
  EXPECT_EQ(problems_in("identity.default = 'x'"),
            std::string("f:1:20: identity.default: ") + kExpectedTable + ", found \"x\"");
  EXPECT_EQ(problems_in("identity.default = [1]"),
            std::string("f:1:20: identity.default: ") + kExpectedTable + ", found an array");
  EXPECT_EQ(problems_in("identity.defualt = 'none'"),
            "f:1:10: identity.defualt: unknown key; did you mean identity.default?");
  EXPECT_EQ(problems_in("[[identity.rules]]\nuid = 1"),
            "f:1:12: identity.rules: unknown key; did you mean identity.rule?");
}

TEST(IdentityDefaultTest, TakesWellFormedNamesOnly) {
  const auto problem = [](SelectorKind kind, const std::string& value) {
    return check_identity({.kind = kind, .value = value});
  };
  for (const std::string value :
       {"", "aaaaaaaa-bbbb-cccc-dddd-0123456789e", "aaaaaaaa-bbbb-cccc-dddd-0123456789eff",
        "aaaaaaaa-bbbb-cccc-dddd-0123456789eg", "aaaaaaaabbbbccccdddd0123456789ef",
        "{aaaaaaaa-bbbb-cccc-dddd-0123456789ef}"}) {
    EXPECT_TRUE(problem(SelectorKind::client_id, value)) << value;
    EXPECT_TRUE(problem(SelectorKind::object_id, value)) << value;
  }
  EXPECT_FALSE(problem(SelectorKind::client_id, kGuid));
  EXPECT_FALSE(problem(SelectorKind::resource_id, kResourceId));
  EXPECT_FALSE(problem(SelectorKind::resource_id,
                       "/SUBSCRIPTIONS/s/resourceGroups/g(1)/providers/microsoft.managedidentity/"
                       "userassignedidentities/N_1-2"));
  for (const std::string& value :
       {std::string(), std::string("/subscriptions/s"), std::string(kGuid), std::string(kResourceId) + "/",
        std::string(kResourceId) + "/more", std::string(kResourceId).substr(1),
        std::string(
            "/subscriptions//resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n"),
        std::string("/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm"),
        std::string(kResourceId) + " ", std::string(kResourceId) + "\"", std::string(kResourceId) + "?a=b"}) {
    EXPECT_TRUE(problem(SelectorKind::resource_id, value)) << value;
  }
}

TEST(IdentityRuleTest, HasTheConditionsOfAllowAndAnIdentity) {
  const auto config = parse(
      "[identity]\ndefault = { client_id = '" + std::string(kGuid) +
          "' }\n[[identity.rule]]\nname = 'backup'\nuser = 'root'\ngid = [1, 2]\nunit = 'backup.service'\n"
          "program = '/bin/a'\nresource = ['https://*']\nobject_id = '" +
          std::string(kGuid) + "'\n[[identity.rule]]\nuid = 1\nmsi_res_id = '" + kResourceId + "'",
      "f");
  ASSERT_TRUE(config) << config.error().message();
  ASSERT_EQ(config->identity.rules.size(), 2U);
  const IdentityRule& first = config->identity.rules[0];
  EXPECT_EQ(first.name, "backup");
  EXPECT_EQ(first.origin, "f:3");
  EXPECT_EQ(first.conditions, (Conditions{.uids = {0},
                                          .gids = {1, 2},
                                          .units = {"backup.service"},
                                          .programs = {"/bin/a"},
                                          .sha256s = {},
                                          .containers = {},
                                          .container_names = {},
                                          .container_images = {},
                                          .resources = {"https://*"},
                                          .identities = {}}));
  EXPECT_EQ(first.identity, (IdentitySelector{SelectorKind::object_id, kGuid}));
  EXPECT_EQ(config->identity.rules[1].identity, (IdentitySelector{SelectorKind::resource_id, kResourceId}));
}

TEST(IdentityRuleTest, MayFollowADefaultThatIsSetOutsideOfAllTables) {
  EXPECT_EQ(problems_in("identity.default = { client_id = '" + std::string(kGuid) +
                        "' }\n[[identity.rule]]\nuid = 1\nclient_id = '" + std::string(kGuid) + "'"),
            "");
}

TEST(IdentityRuleTest, NamesWhatIsWrongAndWhere) {
  const std::string identity = "\n" + assigned("client_id", kGuid);
  EXPECT_EQ(problem_of_rule("uid = 1"),
            "f:1:1: identity.rule: a rule without an identity; expected one of client_id, object_id and "
            "msi_res_id");
  EXPECT_EQ(problem_of_rule("name = 'a'" + identity),
            "f:1:1: identity.rule: a rule without a condition is for everybody; expected a condition, or "
            "identity.default");
  EXPECT_EQ(problem_of_rule("uid = 1" + identity + "\n" + assigned("object_id", kGuid)),
            "f:4:1: identity.rule.object_id: client_id is given as well; expected only one of them");
  EXPECT_EQ(problem_of_rule("uid = 1\nclient_id = 'x'"),
            "f:3:13: identity.rule.client_id: \"x\" is not a GUID; expected one such as "
            "\"01234567-89ab-cdef-0123-456789abcdef\"");
  EXPECT_EQ(problem_of_rule("uid = 'root'" + identity),
            "f:2:7: identity.rule.uid: expected an integer, found a string");
  EXPECT_EQ(
      problem_of_rule("uid = 1\nidentity = 'x'" + identity),
      "f:3:1: identity.rule.identity: unknown key; the keys of a rule are name, uid, gid, user, group, unit, "
      "program, sha256, container, container_name, container_image, resource, client_id, object_id, "
      "msi_res_id");
  EXPECT_EQ(problem_of_rule("usr = 'root'" + identity),
            "f:2:1: identity.rule.usr: unknown key; did you mean identity.rule.user?");
  EXPECT_EQ(problems_in("identity.rule = 5"),
            "f:1:17: identity.rule: expected [[identity.rule]] tables, found an integer");
  EXPECT_EQ(problems_in("[[identity]]\nuid = 1"), "f:1:3: identity: expected a table, found an array");
  std::string many;
  for (int i = 0; i < 257; ++i) {
    many += "[[identity.rule]]\nuid = 1" + identity + "\n";
  }
  EXPECT_EQ(problems_in(many), "f:1:1: identity.rule: 257 rules; expected at most 256");
}

TEST(IdentityRuleTest, IsNoRuleOfWhoMayAsk) {
  EXPECT_NE(problems_in("[[allow]]\nuid = 1\n" + assigned("client_id", kGuid)), "");
}

}  // namespace
}  // namespace msi2imds::config
