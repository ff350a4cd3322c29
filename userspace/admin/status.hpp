// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

// What the admin socket serves, and how the command line reads it.
namespace msi2imds::admin {

// GET kStatusTarget answers the status; GET kArrivedTarget + "ADDRESS:PORT" whether a connection from there
// is open.
inline constexpr std::string_view kStatusTarget = "/status";
inline constexpr std::string_view kArrivedTarget = "/arrived?peer=";
// POST kFlushTarget with a JSON body {"resource": "...", "identity": "..."} (empty: any) answers {"flushed":
// N}.
inline constexpr std::string_view kFlushTarget = "/flush";
// GET kCallersTarget answers who has called (usage::Table's document), GET kMetricsTarget the metrics in
// Prometheus's text format.
inline constexpr std::string_view kCallersTarget = "/callers";
inline constexpr std::string_view kMetricsTarget = "/metrics";

// Whether callers whom the rules refuse can ask IMDS itself.
struct DirectImds {
  std::string state = "nobody_refused";  // or "open", "closed", "not_closed": they can, although it was to be
  std::string closed_by;                 // by what, where it is closed
  std::string failure;                   // why not, where it was to be

  friend bool operator==(const DirectImds&, const DirectImds&) = default;
};

// What the two processes know about themselves.
struct Status {
  std::string version;
  std::string backend;
  bool redirecting = false;      // the kernel says that the redirection is in force
  std::string redirect_failure;  // why not
  bool observing = false;        // nothing is redirected, but callers are recorded
  bool covers_ipv6 = true;
  std::vector<std::string> remarks;       // what an operator should know
  std::vector<std::string> shortcomings;  // their names (admin/shortcoming.hpp); remarks have the texts
  std::vector<std::string> cgroups;       // that it is limited to; empty: it is not
  std::vector<std::uint16_t> legacy_ports;
  std::vector<std::string>
      container_networks;  // names of containers that are served in networks of their own
  std::int32_t responder_pid = 0;
  std::int64_t uptime_seconds = 0;
  // What confines it.
  bool has_call_filter = false;
  std::int32_t landlock = 0;  // its version; 0: none
  bool has_empty_root = false;
  std::vector<std::string> own_namespaces;
  std::uint64_t connections = 0;
  std::uint64_t accepted = 0;
  std::map<std::uint16_t, std::uint64_t> requests;  // by the port that was dialled
  std::string policy_mode;     // "audit" or "enforce"; empty: an older version does not tell
  std::string policy_default;  // "deny" or "allow": what becomes of whom no rule allows
  std::uint64_t policy_rules = 0;
  std::string default_identity;      // of callers that name none, "KIND VALUE"; empty: as IMDS decides
  std::uint64_t identity_rules = 0;  // that name one for some callers
  std::uint64_t tokens_cached = 0;
  std::uint64_t tokens_from_cache = 0;  // answers
  std::uint64_t tokens_joined = 0;      // answers that waited for somebody else's request
  std::string imds_endpoint;
  std::uint64_t imds_requests = 0;
  std::uint64_t imds_failures = 0;
  std::string imds_last_failure;  // empty when the last request was answered
  DirectImds direct_imds;
};

[[nodiscard]] std::string to_json(const Status& status);
[[nodiscard]] Result<Status> parse_status(std::string_view text);

}  // namespace msi2imds::admin
