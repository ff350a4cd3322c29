// SPDX-License-Identifier: MIT
#pragma once

#include <boost/intrusive/list.hpp>
#include <chrono>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "broker/life.hpp"
#include "broker/turns.hpp"
#include "token/failure.hpp"
#include "token/token.hpp"

namespace msi2imds::broker {

// Somebody who waits for a flight, and leaves it by himself, whatever ends his wait.
struct Waiter : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  SteadyTime deadline;
  std::unique_ptr<Alarm> alarm;
};

// One request to IMDS, with its retries, and all who wait for it.
struct Flight {
  token::TokenRequest request;
  std::shared_ptr<Turns::Ticket> ticket;
  std::unique_ptr<Alarm> alarm;
  boost::intrusive::list<Waiter, boost::intrusive::constant_time_size<false>> waiters;
  std::optional<token::FetchResult> result;       // set when it is over
  std::optional<Life> life;                       // of the token that the last attempt brought
  std::optional<token::FetchResult> last_answer;  // of an attempt that is to be repeated
  int attempts = 0;
  SteadyTime last_began;             // the last of them
  Moment sent;                       // its request, or the first of two
  int times_missing = 0;             // the identity
  std::chrono::seconds next_wait{};  // for it
  SteadyTime left_alone_until;       // as IMDS asked for
  bool is_flushed = false;           // while it flew: its token is not kept
  bool is_refresh = false;           // nobody waited when it began

  // Nobody would hear the answer.
  [[nodiscard]] bool is_abandoned() const {
    return waiters.empty() && !is_refresh;
  }

  // When IMDS is to be asked again, after the answer that is to be repeated; nothing: there is no point in
  // that. Who cannot wait for as long as IMDS wants to be left alone is told at once.
  [[nodiscard]] std::optional<SteadyTime> next_attempt(SteadyTime now);

 private:
  [[nodiscard]] SteadyTime deadline() const;
  [[nodiscard]] std::optional<std::chrono::seconds> wait_after(const token::Failure& failure, SteadyTime now);
  void leave_imds_alone_until(SteadyTime time);
};

// For a caller who cannot wait for as long as IMDS wants to be left alone.
[[nodiscard]] token::FetchResult left_alone(std::chrono::nanoseconds time, const token::Failure& failure);

}  // namespace msi2imds::broker
