// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "config/read.hpp"
#include "problem_text.hpp"

namespace msi2imds::config {
namespace {

using std::chrono_literals::operator""s;

// The configuration that `text` describes; the test fails when there is none.
Config parsed(std::string_view text) {
  auto config = parse(text, "f");
  if (!config) {
    ADD_FAILURE() << config.error().message();
    return {};
  }
  return *config;
}

TEST(ParseTest, FindsPortsOnlyWhenNoneAreNamed) {
  EXPECT_TRUE(parsed("legacy.ports = 'auto'").legacy.find_ports);
  const Legacy named = parsed("legacy.ports = [7]").legacy;
  EXPECT_FALSE(named.find_ports);
  EXPECT_EQ(named.ports, std::vector<std::uint16_t>{7});
}

TEST(ParseTest, GivesTheDocumentedDefaultsForAnEmptyText) {
  const Config config = parsed("");
  EXPECT_TRUE(config.legacy.find_ports);
  EXPECT_EQ(config.legacy.ports, std::vector<std::uint16_t>{50342});
  EXPECT_TRUE(config.legacy.hosts.empty());
  EXPECT_TRUE(config.legacy.require_metadata_header);
  EXPECT_EQ(config.redirect.backend, kAutomatic);
  EXPECT_EQ(config.redirect.listen_port, 342);
  EXPECT_EQ(config.imds.endpoint.text, "http://169.254.169.254");
  EXPECT_EQ(config.imds.endpoint.address, "169.254.169.254");
  EXPECT_EQ(config.imds.endpoint.port, 80);
  EXPECT_FALSE(config.imds.endpoint.v6);
  EXPECT_EQ(config.imds.connect_timeout, 2s);
  EXPECT_EQ(config.imds.request_timeout, 10s);
  EXPECT_EQ(config.imds.max_rate, 20U);
  EXPECT_EQ(config.imds.max_in_flight, 5U);
  EXPECT_EQ(config.imds.deadline, 75s);
  EXPECT_EQ(config.imds.boot_grace, 300s);
  EXPECT_EQ(config.imds.mark, 0U);
  EXPECT_TRUE(config.tokens.cache);
  EXPECT_EQ(config.tokens.expiry_margin, 300s);
  EXPECT_EQ(config.tokens.max_age, 3600s);
  EXPECT_EQ(config.tokens.max_bytes, 16U * 1024 * 1024);
  EXPECT_TRUE(config.tokens.survive_restart);
  EXPECT_TRUE(config.tokens.prefetch);
  EXPECT_EQ(config.responder.user, "msi2imds");
  EXPECT_EQ(config.responder.max_connections, 16384U);
  EXPECT_EQ(config.responder.request_timeout, 10s);
  EXPECT_EQ(config.responder.idle_timeout, 60s);
  EXPECT_EQ(config.responder.drain_timeout, 10s);
  EXPECT_EQ(config.admin.socket, "/run/msi2imds/admin.sock");
  EXPECT_EQ(config.log.level, log::Level::info);
  EXPECT_EQ(config.log.format, log::Format::text);
}

TEST(ParseTest, ReadsEveryKeyOfLegacy) {
  const Config config = parsed(R"(
[legacy]
ports = [50342, 1, 65535]
hosts = ["vm1.example", "[fe80::1]"]
require_metadata_header = false
)");
  EXPECT_EQ(config.legacy.ports, (std::vector<std::uint16_t>{50342, 1, 65535}));
  EXPECT_EQ(config.legacy.hosts, (std::vector<std::string>{"vm1.example", "[fe80::1]"}));
  EXPECT_FALSE(config.legacy.require_metadata_header);
}

TEST(ParseTest, ReadsEveryKeyOfRedirect) {
  const Config config = parsed("[redirect]\nbackend = 'sk_lookup'\nlisten_port = 343");
  EXPECT_EQ(config.redirect.backend, "sk_lookup");
  EXPECT_EQ(config.redirect.listen_port, 343);
}

TEST(ParseTest, ReadsEveryKeyOfImds) {
  const Config config = parsed(R"(
[imds]
endpoint = "http://[fd00::1]:8080/"
connect_timeout = 1
request_timeout = 3600
max_rate = 19
max_in_flight = 4
deadline = 60
boot_grace = 0
mark = 4294967295

[tokens]
cache = false
expiry_margin = 0
max_age = 86400
max_bytes = 65536
survive_restart = false
prefetch = false
)");
  EXPECT_EQ(config.imds.endpoint.text, "http://[fd00::1]:8080/");
  EXPECT_EQ(config.imds.endpoint.address, "fd00::1");
  EXPECT_EQ(config.imds.endpoint.port, 8080);
  EXPECT_TRUE(config.imds.endpoint.v6);
  EXPECT_EQ(config.imds.connect_timeout, 1s);
  EXPECT_EQ(config.imds.request_timeout, 3600s);
  EXPECT_EQ(config.imds.max_rate, 19U);
  EXPECT_EQ(config.imds.max_in_flight, 4U);
  EXPECT_EQ(config.imds.deadline, 60s);
  EXPECT_EQ(config.imds.boot_grace, 0s);
  EXPECT_EQ(config.imds.mark, 4294967295U);
  EXPECT_FALSE(config.tokens.cache);
  EXPECT_EQ(config.tokens.expiry_margin, 0s);
  EXPECT_EQ(config.tokens.max_age, 86400s);
  EXPECT_EQ(config.tokens.max_bytes, 65536U);
  EXPECT_FALSE(config.tokens.survive_restart);
  EXPECT_FALSE(config.tokens.prefetch);
}

TEST(ParseTest, ReadsEveryKeyOfResponder) {
  const Config config = parsed(R"(
[responder]
user = "tokens"
max_connections = 1000000
request_timeout = 11
idle_timeout = 61
drain_timeout = 12
)");
  EXPECT_EQ(config.responder.user, "tokens");
  EXPECT_EQ(config.responder.max_connections, 1'000'000U);
  EXPECT_EQ(config.responder.request_timeout, 11s);
  EXPECT_EQ(config.responder.idle_timeout, 61s);
  EXPECT_EQ(config.responder.drain_timeout, 12s);
}

TEST(ParseTest, ReadsEveryKeyOfAdminAndLog) {
  const Config config = parsed("admin.socket = '/tmp/a'\nlog.level = 'debug'\nlog.format = 'json'");
  EXPECT_EQ(config.admin.socket, "/tmp/a");
  EXPECT_EQ(config.log.level, log::Level::debug);
  EXPECT_EQ(config.log.format, log::Format::json);
}

TEST(ParseTest, KnowsEveryWordOfAChoice) {
  EXPECT_EQ(parsed("redirect.backend = 'auto'").redirect.backend, kAutomatic);
  EXPECT_EQ(parsed("redirect.backend = 'listen'").redirect.backend, "listen");
  EXPECT_EQ(parsed("log.level = 'info'").log.level, log::Level::info);
  EXPECT_EQ(parsed("log.level = 'warn'").log.level, log::Level::warn);
  EXPECT_EQ(parsed("log.level = 'error'").log.level, log::Level::error);
  EXPECT_EQ(parsed("log.format = 'text'").log.format, log::Format::text);
}

TEST(ParseTest, TakesASocketPathOf107Bytes) {
  const std::string path = "/" + std::string(106, 'a');
  EXPECT_EQ(parsed("admin.socket = '" + path + "'").admin.socket, path);
}

TEST(ParseTest, TakesSixteenPorts) {
  EXPECT_EQ(parsed("legacy.ports = [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]").legacy.ports.size(), 16U);
}

TEST(ParseTest, TakesEachBackendByItsName) {
  for (const std::string name : {"auto", "sk_lookup", "cgroup_connect", "nftables", "iptables", "listen"}) {
    EXPECT_EQ(parsed("redirect.backend = '" + name + "'").redirect.backend, name);
  }
}

}  // namespace
}  // namespace msi2imds::config
