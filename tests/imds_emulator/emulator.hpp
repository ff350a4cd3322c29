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

struct Options {
  IdentityOptions identities;
  TokenOptions tokens;
  std::chrono::milliseconds latency{0};  // before each answer to a token request
  std::string scale_set;                 // that the VM belongs to; empty: none
};

// The emulated IMDS: all its state, free of connections.
struct Emulator {
  explicit Emulator(const Options& options)
      : latency(options.latency),
        scale_set(options.scale_set),
        token_endpoint(options.identities, options.tokens) {}

  std::chrono::milliseconds latency;
  std::string scale_set;
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
