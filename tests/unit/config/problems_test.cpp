// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>

#include "problem_text.hpp"

namespace msi2imds::config {
namespace {

TEST(ProblemsTest, SuggestsTheNearestKeyForAnUnknownOne) {
  EXPECT_EQ(problems_in("\n[legacy]\nprots = [1]"),
            "f:3:1: legacy.prots: unknown key; did you mean legacy.ports?");
}

TEST(ProblemsTest, ListsTheKeysOfTheTableWhenNoneIsNear) {
  EXPECT_EQ(problems_in("[log]\nnonsense = 1"),
            "f:2:1: log.nonsense: unknown key; the keys of log are level, format");
}

TEST(ProblemsTest, FindsAKeyThatBelongsIntoATable) {
  EXPECT_EQ(problems_in("ports = [1]"), "f:1:1: ports: unknown key; did you mean legacy.ports?");
}

TEST(ProblemsTest, ListsTheTablesForAStrayKey) {
  EXPECT_EQ(problems_in("nonsense = 1"),
            "f:1:1: nonsense: unknown key; expected a key of one of the tables legacy, redirect, imds, "
            "tokens, responder, admin, policy, identity, audit, callers, metrics, retire, waagent, log");
}

TEST(ProblemsTest, SuggestsTheNearestTableForAnUnknownOne) {
  EXPECT_EQ(problems_in("[legcy]\nports = [1]"), "f:1:2: legcy: unknown table; did you mean legacy?");
}

TEST(ProblemsTest, ListsTheTablesWhenNoneIsNear) {
  EXPECT_EQ(problems_in("[nonsense]"),
            "f:1:2: nonsense: unknown table; the tables are legacy, redirect, imds, tokens, responder, "
            "admin, policy, identity, audit, callers, metrics, retire, waagent, log, allow");
}

TEST(ProblemsTest, DoesNotTakeAQuotedDotForATable) {
  EXPECT_EQ(problems_in("\"log.level\" = 'debug'").find("f:1:1: \"log.level\": unknown key; "), 0U);
}

TEST(ProblemsTest, KeepsALineBreakInANameOnItsLine) {
  EXPECT_EQ(problems_in("[log]\n\"a\\nb\" = 1"),
            "f:2:1: log.\"a\\x0ab\": unknown key; the keys of log are level, format");
}

TEST(ProblemsTest, SaysWhatTheParserSaysAsItSaysIt) {
  EXPECT_EQ(problems_in("[legacy]\nport\n"),
            "f:2:5: syntax error: Error while parsing key-value pair: expected '=', saw '\\n'");
  EXPECT_EQ(problems_in("[legacy]\nx = \"\\q\"\n").find("\\\\"), std::string::npos);
}

TEST(ProblemsTest, NamesTheTypeItFound) {
  EXPECT_EQ(problems_in("[legacy]\nports = 'x'"),
            "f:2:9: legacy.ports: \"x\" is not known; expected \"auto\" or an array of ports");
  EXPECT_EQ(problems_in("legacy.hosts = 1"),
            "f:1:16: legacy.hosts: expected an array of strings, found an integer");
  EXPECT_EQ(problems_in("legacy.require_metadata_header = 1.5"),
            "f:1:34: legacy.require_metadata_header: expected a boolean (true or false), found a float");
  EXPECT_EQ(problems_in("redirect.listen_port = '342'"),
            "f:1:24: redirect.listen_port: expected an integer, found a string");
  EXPECT_EQ(problems_in("redirect.backend = true"),
            "f:1:20: redirect.backend: expected a string, found a boolean");
  EXPECT_EQ(problems_in("imds.endpoint = []"), "f:1:17: imds.endpoint: expected a string, found an array");
  EXPECT_EQ(problems_in("responder.user = 2020-02-02"),
            "f:1:18: responder.user: expected a string, found a date or time");
  EXPECT_EQ(problems_in("imds.connect_timeout = '2s'"),
            "f:1:24: imds.connect_timeout: expected an integer, found a string");
}

TEST(ProblemsTest, PointsAtTheElementOfTheWrongType) {
  EXPECT_EQ(problems_in("legacy.ports = [1, 'x']"),
            "f:1:20: legacy.ports: expected an array of integers, found a string in it");
}

TEST(ProblemsTest, SaysThatATableWasExpected) {
  EXPECT_EQ(problems_in("legacy = 5"), "f:1:1: legacy: expected a table, found an integer");
  EXPECT_EQ(problems_in("[[legacy]]"), "f:1:3: legacy: expected a table, found an array");
}

TEST(ProblemsTest, SaysThatAValueWasExpectedWhereATableIs) {
  const std::string problems = problems_in("[legacy.ports]\nx = 1");
  EXPECT_EQ(problems.find("f:1:"), 0U) << problems;
  EXPECT_NE(problems.find(": legacy.ports: expected an array of integers, found a table"), std::string::npos)
      << problems;
}

TEST(ProblemsTest, ReportsAKeyGivenAsTableAndAsValueWithItsPlace) {
  const std::string problems = problems_in("legacy = 5\n[legacy]");
  EXPECT_EQ(problems.find("f:2:"), 0U) << problems;
  EXPECT_NE(problems.find("legacy"), std::string::npos) << problems;
}

// toml++ has assertions against this.
TEST(ProblemsTest, ReportsATableWithoutAName) {
  for (const char* text : {"[#a]", "[[#a]]", "[=]", "[", "[#"}) {
    const std::string problems = problems_in(text);
    EXPECT_EQ(problems.find("f:1:"), 0U) << problems;
    EXPECT_NE(problems.find("syntax error: "), std::string::npos) << problems;
  }
}

// toml++ takes that for unreachable when it looks for blanks.
TEST(ProblemsTest, ReportsALetterWhereNoneMayBe) {
  for (const char* text :
       {"ports = \u00e9", "ports =\u03e0\x1a", "ports = 1\u0499", "ports \u00a1= 1", "\u00e9"}) {
    const std::string problems = problems_in(text);
    EXPECT_EQ(problems.find("f:1:"), 0U) << problems;
    EXPECT_NE(problems.find("syntax error: "), std::string::npos) << problems;
  }
}

TEST(ProblemsTest, ReportsASyntaxErrorWithItsPlace) {
  const std::string problems = problems_in("[log]\nlevel = = 1");
  EXPECT_EQ(problems.find("f:2:9: syntax error: "), 0U) << problems;
}

TEST(ProblemsTest, RefusesBytesThatAreNotUtf8) {
  const std::string problems = problems_in("# \xff\xfe");
  EXPECT_EQ(problems.find("f:1:"), 0U) << problems;
  EXPECT_NE(problems.find("utf-8"), std::string::npos) << problems;
}

TEST(ProblemsTest, SaysWhichRangeIsRight) {
  EXPECT_EQ(problems_in("[redirect]\nlisten_port = 70000"),
            "f:2:15: redirect.listen_port: 70000 is out of range; expected 1 to 65535");
  EXPECT_EQ(problems_in("redirect.listen_port = 0"),
            "f:1:24: redirect.listen_port: 0 is out of range; expected 1 to 65535");
  EXPECT_EQ(problems_in("legacy.ports = [65536]"),
            "f:1:17: legacy.ports: 65536 is out of range; expected 1 to 65535");
  EXPECT_EQ(problems_in("responder.max_connections = 1000001"),
            "f:1:29: responder.max_connections: 1000001 is out of range; expected 1 to 1000000");
  EXPECT_EQ(problems_in("imds.request_timeout = 3601"),
            "f:1:24: imds.request_timeout: 3601 is out of range; expected 1 to 3600");
  EXPECT_EQ(problems_in("tokens.max_age = 0"),
            "f:1:18: tokens.max_age: 0 is out of range; expected 1 to 86400");
  EXPECT_EQ(problems_in("tokens.max_age = 86401"),
            "f:1:18: tokens.max_age: 86401 is out of range; expected 1 to 86400");
  EXPECT_EQ(problems_in("responder.idle_timeout = -1"),
            "f:1:26: responder.idle_timeout: -1 is out of range; expected 1 to 3600");
}

TEST(ProblemsTest, RefusesAPortGivenTwice) {
  EXPECT_EQ(problems_in("legacy.ports = [1, 2, 1]"),
            "f:1:23: legacy.ports: 1 is listed twice; expected each port once");
}

TEST(ProblemsTest, RefusesNoPortAndTooMany) {
  EXPECT_EQ(problems_in("legacy.ports = []"), "f:1:16: legacy.ports: 0 ports; expected 1 to 16 of them");
  EXPECT_EQ(problems_in("legacy.ports = [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"),
            "f:1:16: legacy.ports: 17 ports; expected 1 to 16 of them");
}

TEST(ProblemsTest, ListsTheWordsOfAChoice) {
  EXPECT_EQ(
      problems_in("redirect.backend = 'magic'"),
      R"(f:1:20: redirect.backend: "magic" is not known; expected "auto", "sk_lookup", "cgroup_connect", )"
      R"("nftables", "iptables" or "listen")");
  EXPECT_EQ(problems_in("log.level = 'Info'"),
            R"(f:1:13: log.level: "Info" is not known; expected "debug", "info", "warn" or "error")");
  EXPECT_EQ(problems_in("log.format = ''"),
            R"(f:1:14: log.format: "" is not known; expected "text" or "json")");
}

TEST(ProblemsTest, RefusesWhatIsNoHostName) {
  EXPECT_EQ(
      problems_in("legacy.hosts = ['a', 'b:80']"),
      "f:1:22: legacy.hosts: \"b:80\" is not a host name; expected a name without scheme, port or path");
  EXPECT_NE(problems_in("legacy.hosts = ['']"), "");
  EXPECT_EQ(problems_in("legacy.container_networks = ['/web']"),
            "f:1:30: legacy.container_networks: \"/web\" begins with \"/\", as no name of a container does; "
            "expected "
            "\"web\", or of a pod \"NAMESPACE/POD/CONTAINER\"");
  EXPECT_EQ(problems_in("legacy.hosts = ['[::1]:80']"),
            "f:1:17: legacy.hosts: \"[::1]:80\" is not a host name; expected [ADDRESS] without a port");
}

TEST(ProblemsTest, RefusesWhatIsNoUserName) {
  EXPECT_EQ(
      problems_in("responder.user = ''"),
      "f:1:18: responder.user: \"\" is not a user name; expected one of the names in the user database");
  EXPECT_NE(problems_in("responder.user = \"a\\u0000b\""), "");
  EXPECT_NE(problems_in("responder.user = 'a:b'"), "");
}

TEST(ProblemsTest, RefusesWhatIsNoSocketPath) {
  EXPECT_EQ(problems_in("admin.socket = 'run/x'"),
            "f:1:16: admin.socket: \"run/x\" is not an absolute path of a file; expected one such as "
            "\"/run/msi2imds/admin.sock\"");
  EXPECT_NE(problems_in("admin.socket = '/run/'"), "");
  EXPECT_NE(problems_in("admin.socket = \"/run/a\\u0000b\""), "");
  EXPECT_EQ(problems_in("admin.socket = '/" + std::string(107, 'a') + "'"),
            "f:1:16: admin.socket: a path of 108 bytes is too long for a socket; expected at most 107");
}

TEST(ProblemsTest, RefusesWhatIsNoDirectory) {
  EXPECT_EQ(problems_in("waagent.root = 'waagent'"),
            "f:1:16: waagent.root: \"waagent\" is not an absolute path of a directory; expected one such as "
            "\"/var/lib/waagent\"");
}

TEST(ProblemsTest, RefusesWhatIsNoCgroup) {
  EXPECT_EQ(
      problems_in("redirect.cgroups = ['a.service']"),
      "f:1:21: redirect.cgroups: \"a.service\" is not a cgroup; expected its path from the root of cgroup2, "
      "such as \"/system.slice/old.service\"");
  EXPECT_NE(problems_in("redirect.cgroups = ['/a/../b']"), "");
  EXPECT_NE(problems_in("redirect.cgroups = ['/a/..']"), "");
}

TEST(ProblemsTest, RefusesWhatIsNoPinDirectory) {
  EXPECT_EQ(
      problems_in("redirect.pin_directory = '/sys/fs/bpf/my.pins'"),
      "f:1:26: redirect.pin_directory: \"/sys/fs/bpf/my.pins\" is not a directory of a BPF file system; "
      "expected one such as \"/sys/fs/bpf/msi2imds\", or \"\" for none");
  EXPECT_NE(problems_in("redirect.pin_directory = 'pins'"), "");
}

TEST(ProblemsTest, SaysWhatIsWrongWithTheEndpoint) {
  EXPECT_EQ(
      problems_in("imds.endpoint = 'https://1.2.3.4'"),
      "f:1:17: imds.endpoint: \"https://1.2.3.4\" does not start with http://; expected http://ADDRESS or "
      "http://ADDRESS:PORT, such as http://169.254.169.254");
}

TEST(ProblemsTest, NamesEveryProblemInTheOrderOfTheText) {
  EXPECT_EQ(
      problems_in("[log]\nlevel = 1\nbogus_key = 1\n[imds]\nconnect_timeout = 0\n[admin]\nsoket = '/x'"),
      "f:2:9: log.level: expected a string, found an integer\n"
      "f:3:1: log.bogus_key: unknown key; the keys of log are level, format\n"
      "f:5:19: imds.connect_timeout: 0 is out of range; expected 1 to 3600\n"
      "f:7:1: admin.soket: unknown key; did you mean admin.socket?");
}

}  // namespace
}  // namespace msi2imds::config
