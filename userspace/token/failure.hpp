// SPDX-License-Identifier: MIT
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "token/token.hpp"

namespace msi2imds::token {

// What may help against a failure.
enum class Remedy : std::uint8_t {
  retry_later,    // an update, a throttle, a fault of the network
  retry_soon,     // nobody was asked, for want of something here, such as a descriptor
  retry_briefly,  // an answer that makes no sense; most likely it will not make more sense soon
  come_back,      // we have too much to do: the caller has to ask again
  leave_alone,    // IMDS is not to be asked for longer than the caller can wait
};

// Why there is neither a token nor a refusal.
struct Failure {
  Error error;
  Remedy remedy = Remedy::retry_later;
  std::optional<std::chrono::seconds> retry_after;  // as the source asked for
};
[[noreturn]] void throw_exception_from_error(const Failure& failure, const boost::source_location& where);

// A wait that was ended because the service restarts: whoever asks again is answered by the next process.
[[nodiscard]] Failure cut_short();

// What brought the answer.
enum class Origin : std::uint8_t { imds, joined, cache };  // joined: somebody else's request to IMDS

[[nodiscard]] std::string_view to_string(Origin origin);

// A token or a refusal, or why there is neither; and where it comes from.
struct FetchResult : boost::system::result<TokenResponse, Failure> {
  using Base = boost::system::result<TokenResponse, Failure>;
  using Base::Base;

  Origin origin = Origin::imds;
  // Of a token: when it ends by this machine's clock, in Unix seconds, from a source that keeps more than one
  // clock. Clients compare it with this machine's clock.
  std::optional<std::int64_t> expires_on;
};

}  // namespace msi2imds::token
