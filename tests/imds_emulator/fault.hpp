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
  interim,          // answers with 1xx before the answer: in one segment with it, or so long before it
  duplicate,        // the answer, and once more behind it at once, or so long after it
  wrong_resource,   // the answer to the same question for another resource
  wrong_client_id,  // the answer to the same question for another identity of the VM
  dead_connection,  // of connections that are older than the fault: the request is lost, and nothing is said
};

// Something that goes wrong with token requests, on purpose. Which settings count depends on the kind.
struct Fault {
  FaultKind kind = FaultKind::status;
  unsigned status = 500;  // of interim: of the answers before the answer
  unsigned times = 1;     // of interim
  std::optional<std::int64_t> retry_after;
  bool html = false;
  std::optional<std::string> body;
  std::optional<std::chrono::milliseconds> duration;  // of slow_drip, hang, delay, interim, duplicate
  std::size_t bytes = 2UL * 1024 * 1024;              // of oversized
  std::string resource = "https://other.example/";    // of wrong_resource
  std::string field;
  boost::json::value value;

  std::string match;  // the target has to contain it
  std::chrono::steady_clock::time_point set;
  std::uint64_t remaining = 1;                                   // requests; 0: no limit
  std::optional<std::chrono::steady_clock::time_point> expires;  // instead of `remaining`
  boost::json::value document;                                   // as it was set, to be shown
};

}  // namespace msi2imds::emulator
