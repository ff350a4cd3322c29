// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "token/token.hpp"

// What the operator may choose: one plain struct for each table of the file, with its defaults. Who only
// wants to know it includes this; read.hpp, check.hpp and write.hpp are for files.
namespace msi2imds::config {

inline constexpr std::size_t kMaxLegacyPorts = 16;

struct Legacy {
  bool find_ports = true;  // "auto": those that this machine's extension uses take the place of `ports`
  std::vector<std::uint16_t> ports = {50342};
  std::vector<std::string> hosts;
  bool require_metadata_header = true;
  std::vector<std::string>
      container_networks;  // patterns of names; empty: containers reach us by no network of their own

  friend bool operator==(const Legacy&, const Legacy&) = default;
};

inline constexpr std::string_view kAutomatic = "auto";

struct Redirect {
  std::string backend{kAutomatic};  // how connections reach us, by name
  std::uint16_t listen_port = 342;
  std::vector<std::string> cgroups;
  std::uint32_t mark = 0x6d736932;  // "msi2"
  std::string pin_directory = "/sys/fs/bpf/msi2imds";

  friend bool operator==(const Redirect&, const Redirect&) = default;
};

// Where IMDS listens.
struct Endpoint {
  std::string text = "http://169.254.169.254";  // as written in the file
  std::string address = "169.254.169.254";      // as inet_ntop writes it, without brackets
  std::uint16_t port = 80;
  bool v6 = false;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct Imds {
  Endpoint endpoint;
  std::chrono::seconds connect_timeout{2};
  std::chrono::seconds request_timeout{10};
  std::uint32_t max_rate = 20;
  std::uint32_t max_in_flight = 5;
  std::chrono::seconds deadline{75};
  std::chrono::seconds boot_grace{300};
  std::uint32_t mark = 0;

  friend bool operator==(const Imds&, const Imds&) = default;
};

struct Tokens {
  bool cache = true;
  std::chrono::seconds expiry_margin{300};
  std::chrono::seconds max_age{3600};
  std::uint32_t max_bytes = 16U * 1024 * 1024;
  bool survive_restart = true;
  bool prefetch = true;  // at the start, what callers used lately

  friend bool operator==(const Tokens&, const Tokens&) = default;
};

struct Responder {
  std::string user = "msi2imds";
  std::uint32_t max_connections = 16384;
  std::chrono::seconds request_timeout{10};
  std::chrono::seconds idle_timeout{60};
  std::chrono::seconds drain_timeout{10};

  friend bool operator==(const Responder&, const Responder&) = default;
};

struct Admin {
  std::string socket = "/run/msi2imds/admin.sock";

  friend bool operator==(const Admin&, const Admin&) = default;
};

enum class PolicyMode : std::uint8_t { audit, enforce };
enum class PolicyDefault : std::uint8_t { deny, allow };

struct Policy {
  PolicyMode mode = PolicyMode::audit;
  PolicyDefault default_ = PolicyDefault::deny;  // what becomes of whom no rule allows
  bool close_imds = false;                       // to users whom no rule names

  friend bool operator==(const Policy&, const Policy&) = default;
};

// What a rule asks: all the kinds of condition that are given, by one of the values of each. Names of users
// and groups are looked up when the file is read.
struct Conditions {
  std::vector<std::uint32_t> uids;
  std::vector<std::uint32_t> gids;
  std::vector<std::string> units;
  std::vector<std::string> programs;
  std::vector<std::string> sha256s;     // in lower case
  std::vector<std::string> containers;  // ids, or the beginnings of some
  std::vector<std::string> container_names;
  std::vector<std::string> container_images;
  std::vector<std::string> resources;
  std::vector<std::string> identities;

  friend bool operator==(const Conditions&, const Conditions&) = default;
};

// An [[allow]] table: who meets its conditions is allowed.
struct Allow {
  std::string name;
  std::string origin;  // "FILE:LINE"
  Conditions conditions;

  friend bool operator==(const Allow&, const Allow&) = default;
};

// An [[identity.rule]] table: who meets its conditions, and names no identity, gets this one.
struct IdentityRule {
  std::string name;
  std::string origin;  // "FILE:LINE"
  Conditions conditions;
  token::IdentitySelector identity;

  friend bool operator==(const IdentityRule&, const IdentityRule&) = default;
};

// Which identity a caller gets that names none.
struct Identity {
  token::IdentitySelector default_;  // whom no rule matches; of kind none: IMDS decides
  std::vector<IdentityRule> rules;

  friend bool operator==(const Identity&, const Identity&) = default;
};

enum class AuditFormat : std::uint8_t { text, json };

struct Audit {
  std::string file = "/var/log/msi2imds/audit.log";
  AuditFormat format = AuditFormat::text;
  std::uint32_t max_rate = 100;

  friend bool operator==(const Audit&, const Audit&) = default;
};

struct Callers {
  std::string state_file = "/var/lib/msi2imds/callers.json";
  std::string cgroup = "/";

  friend bool operator==(const Callers&, const Callers&) = default;
};

struct Metrics {
  std::uint16_t port = 0;

  friend bool operator==(const Metrics&, const Metrics&) = default;
};

struct Retire {
  std::uint32_t quiet_days = 35;

  friend bool operator==(const Retire&, const Retire&) = default;
};

struct Waagent {
  std::string root = "/var/lib/waagent";
  std::string state_directory = "/var/lib/msi2imds";

  friend bool operator==(const Waagent&, const Waagent&) = default;
};

struct Log {
  log::Level level = log::Level::info;
  log::Format format = log::Format::text;

  friend bool operator==(const Log&, const Log&) = default;
};

struct Config {
  Legacy legacy;
  Redirect redirect;
  Imds imds;
  Tokens tokens;
  Responder responder;
  Admin admin;
  Policy policy;
  std::vector<Allow> allow;
  Identity identity;
  Audit audit;
  Callers callers;
  Metrics metrics;
  Retire retire;
  Waagent waagent;
  Log log;
  std::vector<std::string> not_read;  // files beside the drop-ins whose names do not end in .toml

  friend bool operator==(const Config&, const Config&) = default;
};

// Whether any rule goes by the content of programs, which takes time to find out.
[[nodiscard]] inline bool has_rule_on_sha256(const Config& config) {
  const auto asks = [](const auto& rule) { return !rule.conditions.sha256s.empty(); };
  return std::ranges::any_of(config.allow, asks) || std::ranges::any_of(config.identity.rules, asks);
}

}  // namespace msi2imds::config
