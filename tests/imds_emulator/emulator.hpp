// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "imds_emulator/fault_list.hpp"
#include "imds_emulator/identities.hpp"
#include "imds_emulator/reply.hpp"
#include "imds_emulator/request.hpp"
#include "imds_emulator/request_log.hpp"
#include "imds_emulator/statistics.hpp"
#include "imds_emulator/token_endpoint.hpp"
#include "imds_emulator/token_factory.hpp"

namespace msi2imds::emulator {

inline constexpr std::int64_t kMaxClockSkew = 10L * 365 * 86400;

struct Options {
  IdentityOptions identities;
  TokenOptions tokens;
  std::chrono::milliseconds latency{0};  // before each answer to a token request
  std::string scale_set;                 // that the VM belongs to; empty: none
  std::chrono::seconds clock_skew{0};    // how far IMDS's clock is ahead of this machine's
};

// The emulated IMDS: all its state, free of connections.
struct Emulator {
  explicit Emulator(const Options& options)
      : latency(options.latency),
        scale_set(options.scale_set),
        clock_skew(options.clock_skew),
        token_endpoint(options.identities, options.tokens) {}

  // What time it is for IMDS: in its Date headers and its tokens.
  [[nodiscard]] std::chrono::sys_seconds now() const {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) + clock_skew;
  }

  std::chrono::milliseconds latency;
  std::string scale_set;
  std::chrono::seconds clock_skew;
  TokenEndpoint token_endpoint;
  Statistics statistics;
  RequestLog log;
  FaultList faults;
};

// Any request but one for a token.
[[nodiscard]] Reply answer_other(Emulator& emulator, const Request& request);

// What is no HTTP at all; it still counts and shows as a token request when it asks for a token.
[[nodiscard]] Reply answer_malformed(Emulator& emulator, std::string_view first_line, std::string_view reason,
                                     std::uint16_t source_port);

}  // namespace msi2imds::emulator
