// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>

#include "config/write.hpp"
#include "problem_text.hpp"

namespace msi2imds::config {
namespace {

std::string problem_of(const std::string& line) {
  return problems_in("[[allow]]\n" + line);
}

TEST(AllowTest, ReadsOneValueOrSeveral) {
  const auto config = parse(
      "[[allow]]\nname = 'backup'\nuid = 34\ngid = [1, 2]\nunit = 'backup.service'\n"
      "[[allow]]\nprogram = ['/bin/a', '/bin/b']\nresource = 'https://*'\nidentity = 'none'\nunit = '/a/b'",
      "f");
  ASSERT_TRUE(config) << config.error().message();
  ASSERT_EQ(config->allow.size(), 2U);
  const Allow& first = config->allow[0];
  EXPECT_EQ(first.name, "backup");
  EXPECT_EQ(first.origin, "f:1");
  EXPECT_EQ(first.conditions.uids, (std::vector<std::uint32_t>{34}));
  EXPECT_EQ(first.conditions.gids, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(first.conditions.units, (std::vector<std::string>{"backup.service"}));
  const Allow& second = config->allow[1];
  EXPECT_EQ(second.origin, "f:6");
  EXPECT_EQ(second.conditions.programs, (std::vector<std::string>{"/bin/a", "/bin/b"}));
  EXPECT_EQ(second.conditions.resources, (std::vector<std::string>{"https://*"}));
  EXPECT_EQ(second.conditions.identities, (std::vector<std::string>{"none"}));
}

TEST(AllowTest, ReadsHexadecimalDigitsInAnyLetterCase) {
  const auto config =
      parse("[[allow]]\nsha256 = '" + std::string(64, 'A') + "'\ncontainer = '0123456789AB'", "f");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->allow[0].conditions.sha256s, (std::vector<std::string>{std::string(64, 'a')}));
  EXPECT_EQ(config->allow[0].conditions.containers, (std::vector<std::string>{"0123456789ab"}));
}

TEST(AllowTest, WritesWhatContainersAreCalledAsItWasRead) {
  const auto config =
      parse("[[allow]]\ncontainer_name = ['web', 'shop/*']\ncontainer_image = 'registry/app:*'", "f");
  ASSERT_TRUE(config) << config.error().message();
  const Conditions& conditions = config->allow[0].conditions;
  EXPECT_EQ(conditions.container_names, (std::vector<std::string>{"web", "shop/*"}));
  EXPECT_EQ(conditions.container_images, (std::vector<std::string>{"registry/app:*"}));
  const auto again = parse(to_toml(*config), "g");
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->allow, config->allow);
}

TEST(AllowTest, LooksNamesUp) {
  const auto config = parse("[[allow]]\nuser = ['root']\ngroup = 'root'", "f");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->allow[0].conditions.uids, (std::vector<std::uint32_t>{0}));
  EXPECT_EQ(config->allow[0].conditions.gids, (std::vector<std::uint32_t>{0}));
}

TEST(AllowTest, NamesWhatIsWrongAndWhere) {
  EXPECT_EQ(
      problem_of("user = 'no such user'"),
      "f:2:8: allow.user: there is no user \"no such user\" in /etc/passwd; expected one, or uid = NUMBER");
  EXPECT_EQ(
      problem_of("group = ['root', 'no such group']"),
      "f:2:9: allow.group: there is no group \"no such group\" in /etc/group; expected one, or gid = NUMBER");
  EXPECT_EQ(problem_of("uid = 'root'"), "f:2:7: allow.uid: expected an integer, found a string");
  EXPECT_EQ(problem_of("uid = -1"), "f:2:7: allow.uid: -1 is out of range; expected 0 to 4294967294");
  EXPECT_EQ(problem_of("gid = 4294967295"),
            "f:2:7: allow.gid: 4294967295 is out of range; expected 0 to 4294967294");
  EXPECT_EQ(problem_of("gid = 4294967295\norigin = \"f:1\""), "") << "as we write a name not yet known";
  EXPECT_EQ(problem_of("unit = 'backup'"),
            "f:2:8: allow.unit: \"backup\" is not a unit that has processes; expected one such as "
            "\"backup.service\" or \"docker-*.scope\", or the whole path of a cgroup");
  EXPECT_EQ(
      problem_of("program = ['bin/backup']"),
      "f:2:12: allow.program: \"bin/backup\" is not an absolute path of a program; expected one such as "
      "\"/usr/bin/backup\"");
  EXPECT_EQ(
      problem_of("resource = ''"),
      "f:2:12: allow.resource: \"\" is not a pattern; expected a text in which * stands for any characters");
  EXPECT_EQ(problem_of("identity = 5"),
            "f:2:12: allow.identity: expected a string or an array of them, found an integer");
  EXPECT_EQ(problem_of("uid = []"),
            "f:2:7: allow.uid: an empty array matches nobody; expected at least one value");
  EXPECT_EQ(problem_of("usr = 'root'\nuid = 1"), "f:2:1: allow.usr: unknown key; did you mean allow.user?");
  EXPECT_EQ(problem_of("nonsense = 1\nuid = 1"),
            "f:2:1: allow.nonsense: unknown key; the keys of a rule are name, uid, gid, user, group, unit, "
            "program, sha256, container, container_name, container_image, resource, identity");
  for (const char* key :
       {"close_imds", "mode", "default", "policy"}) {  // written behind a rule instead of above it
    EXPECT_EQ(problem_of("uid = 1\n" + std::string(key) + " = true"),
              "f:3:1: allow." + std::string(key) +
                  ": unknown key; the keys of [policy] go above the first [[allow]]");
  }
  EXPECT_EQ(problem_of("uid = 1\nlog.level = 'debug'"),
            "f:3:1: allow.log: unknown key; the keys of [log] go above the first [[allow]]");
  EXPECT_EQ(
      problem_of("sha256 = 'abc'"),
      "f:2:10: allow.sha256: \"abc\" is not a SHA-256; expected the 64 hexadecimal digits that sha256sum "
      "prints");
  EXPECT_EQ(
      problem_of("container = 'web'"),
      "f:2:13: allow.container: \"web\" is not a container's id; expected 64 hexadecimal digits, or the "
      "first 12 or more of them; by its name, container_name knows it");
  EXPECT_EQ(problem_of("container_name = '/web'"),
            "f:2:18: allow.container_name: \"/web\" begins with \"/\", as no name of a container does; "
            "expected \"web\", or of a pod \"NAMESPACE/POD/CONTAINER\"");
  EXPECT_EQ(problem_of("container_image = ''"),
            "f:2:19: allow.container_image: \"\" is not a pattern; expected a text in which * stands for any "
            "characters");
  EXPECT_EQ(problem_of("sha256 = '" + std::string(64, 'A') + "'\ncontainer = ['0123456789ab']"), "");
  EXPECT_EQ(problem_of("name = 5\nuid = 1"), "f:2:8: allow.name: expected a string, found an integer");
  EXPECT_EQ(problem_of("name = 'a\\tb'\nuid = 1"), "");
  EXPECT_EQ(
      problem_of("name = 'backup'"),
      "f:1:1: allow: a rule without a condition allows everybody; expected a condition, or policy.default = "
      "\"allow\"");
  EXPECT_EQ(problems_in("allow = 5"), "f:1:9: allow: expected [[allow]] tables, found an integer");
  EXPECT_EQ(problems_in("allow = [5]"), "f:1:10: allow: expected [[allow]] tables, found an integer");
}

TEST(AllowTest, RefusesUnitsThatNobodyCanBeIn) {
  for (const std::string unit :
       {"backup.timer", "backup.target", ".service", "*", "docker-[0-9].scope", "a b.service",
        "system.slice/backup.service", "/system.slice/", "/a//b", "/a/../b", ""}) {
    EXPECT_EQ(problem_of("unit = '" + unit + "'").find("f:2:8: allow.unit: \"" + unit + "\" is not a unit"),
              0U)
        << unit;
  }
  for (const std::string unit :
       {"app@1.service", R"(dev-a\x2db.service)", "session-2.scope", "-.slice", "/", "app@*.service",
        "docker-*.scope", "apps-?.slice", "/system.slice/backup.service"}) {
    EXPECT_EQ(problem_of("unit = '" + unit + "'"), "") << unit;
  }
}

TEST(AllowTest, RefusesAPatternInThePathOfACgroup) {
  EXPECT_EQ(
      problem_of("unit = '/system.slice/docker-*.scope'"),
      "f:2:8: allow.unit: \"/system.slice/docker-*.scope\" is the path of a cgroup, which has no patterns; "
      "expected the name of a unit, such as \"docker-*.scope\", or a path without * and ?");
}

TEST(AllowTest, RefusesPathsThatTheKernelNeverWrites) {
  for (const std::string path : {"backup", "/usr/bin/", "/usr//bin/backup", "/usr/./bin/backup",
                                 "/usr/bin/../sbin/backup", "/usr/bin/..", "/"}) {
    EXPECT_EQ(problem_of("program = '" + path + "'").find("f:2:11: allow.program: "), 0U) << path;
  }
  EXPECT_EQ(problem_of("program = '/opt/my app/..run'"), "");
}

TEST(AllowTest, TakesAnOriginAsOneTextOnly) {
  EXPECT_EQ(problem_of("uid = 1\norigin = []"), "f:3:10: allow.origin: expected a string, found an array");
  EXPECT_EQ(problem_of("uid = 1\norigin = 5"), "f:3:10: allow.origin: expected a string, found an integer");
  EXPECT_NE(problem_of("uid = 1\norigin = ''"), "");
}

TEST(AllowTest, NamesEveryBadRule) {
  EXPECT_EQ(problems_in("[[allow]]\nuid = 'x'\n[[allow]]\nuid = 1\n[[allow]]\nunti = 'a.service'"),
            "f:2:7: allow.uid: expected an integer, found a string\n"
            "f:6:1: allow.unti: unknown key; did you mean allow.unit?");
}

TEST(AllowTest, HasABound) {
  std::string text;
  for (int i = 0; i < 257; ++i) {
    text += "[[allow]]\nuid = 1\n";
  }
  EXPECT_EQ(problems_in(text), "f:1:1: allow: 257 rules; expected at most 256");
}

TEST(AllowTest, FindsThePlaceOfAMisspelledTable) {
  EXPECT_EQ(problems_in("[alow]\nuid = 1"), "f:1:2: alow: unknown table; did you mean allow?");
}

TEST(MetricsPortTest, IsNoneOfOurs) {
  EXPECT_EQ(
      problems_in("metrics.port = 50342"),
      "f:1:9: metrics.port: port 50342 is also in legacy.ports (the default); expected another one, or 0 for "
      "none");
  EXPECT_EQ(
      problems_in("metrics.port = 342"),
      "f:1:9: metrics.port: port 342 is also in redirect.listen_port (the default); expected another one, or "
      "0 for none");
  EXPECT_EQ(problems_in("metrics.port = 0"), "");
}

}  // namespace
}  // namespace msi2imds::config
