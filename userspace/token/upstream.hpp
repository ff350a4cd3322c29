// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>

#include "base/asio.hpp"
#include "token/failure.hpp"
#include "token/token.hpp"

namespace msi2imds::token {

// The right to have one request at IMDS. It is taken until nobody holds it any more, so whoever sends the
// request holds it as long as IMDS may be busy with that.
using Turn = std::shared_ptr<void>;

enum class Place : std::uint8_t {
  behind,  // whatever else the same callers wait for
  before,  // it: the request before this one has failed through no fault of theirs
};

// Where an upstream gets a turn for each of its requests, in the name of whoever waits for the answer.
class Quota {
 public:
  Quota() = default;
  Quota(const Quota&) = delete;
  Quota& operator=(const Quota&) = delete;
  virtual ~Quota() = default;

  // Waits for the next turn, one at a time; nothing when nobody needs the answer any more, or after leave().
  virtual asio::awaitable<Turn> turn(Place place) = 0;

  // Ends a wait for a turn.
  virtual void leave() = 0;
};

// Where tokens come from in the end, at a price: each request costs a turn.
class Upstream {
 public:
  Upstream() = default;
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;
  virtual ~Upstream() = default;

  // A token, IMDS's final refusal, or why no answer could be had. A request that is of no use any more may be
  // under way still when this returns; it keeps its turn.
  virtual asio::awaitable<FetchResult> fetch(TokenRequest request, std::shared_ptr<Quota> quota) = 0;
};

// What fetch() returns when there was no turn.
[[nodiscard]] Failure without_turn();

}  // namespace msi2imds::token
