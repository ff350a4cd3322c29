// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/histogram.hpp"

namespace msi2imds::metrics {

// Everything that is measured, at one moment.
struct Snapshot {
  std::string version;
  std::string backend;
  bool is_intercepting = false;
  bool is_observing = false;
  double start_time = 0;  // Unix seconds
  std::uint64_t responders_started = 0;
  std::uint64_t connections = 0;
  std::uint64_t accepted = 0;
  std::map<std::pair<std::string, std::string>, std::uint64_t> requests;  // by outcome and source
  std::map<std::string, Histogram> durations;                             // by source
  std::map<std::string, std::uint64_t> choices;                           // of an identity, by who chose
  std::uint64_t would_be_refused = 0;                                     // by the rules, in audit mode
  double last_request = 0;                                                // Unix seconds, 0: none yet
  std::uint64_t callers = 0;
  std::map<unsigned, std::uint64_t> upstream_by_status;  // 0: no answer
  Histogram upstream_durations;
  // Tokens that did not fit what was asked, by what became of them.
  std::uint64_t mismatches_served = 0;
  std::uint64_t mismatches_asked_anew = 0;
  std::uint64_t mismatches_refused = 0;
  std::optional<double> clock_ahead = {};  // of that of IMDS, in seconds; nothing: not known yet
  Histogram quota_waits;
  std::uint64_t cached_tokens = 0;
  std::uint64_t cache_bytes = 0;
  double oldest_token = 0;  // seconds since it came from IMDS
  std::uint64_t audit_written = 0;
  std::uint64_t audit_left_out = 0;
  std::uint64_t audit_failed = 0;
};

// In Prometheus's text format.
[[nodiscard]] std::string render(const Snapshot& now);

}  // namespace msi2imds::metrics
