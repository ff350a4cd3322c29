// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace msi2imds::emulator {

enum class FaultKind : std::uint8_t {
  status,
  html,
  truncated,
  slow_drip,
  hang,
  reset,
  close,
  oversized,
  wrong_content_type,
  integers,
  garbage_json,
  missing_field,
  override_field,
  expired,
  delay,
  stale_close,
};

// Something that goes wrong with token requests, on purpose. Which settings count depends on the kind.
struct Fault {
  FaultKind kind = FaultKind::status;
  unsigned status = 500;
  std::optional<std::int64_t> retry_after;
  bool html = false;
  std::optional<std::string> body;
  std::optional<std::chrono::milliseconds> duration;  // of slow_drip, hang, delay
  std::size_t bytes = 2UL * 1024 * 1024;              // of oversized
  std::string field;
  boost::json::value value;

  std::string match;                                             // the target has to contain it
  std::uint64_t remaining = 1;                                   // requests; 0: no limit
  std::optional<std::chrono::steady_clock::time_point> expires;  // instead of `remaining`
  boost::json::value document;                                   // as it was set, to be shown
};

}  // namespace msi2imds::emulator
