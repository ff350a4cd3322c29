// SPDX-License-Identifier: MIT
#include "broker/flight.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace msi2imds::broker {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// IMDS's documentation asks for exponential waits of two seconds; then it may be an update of 70 s.
constexpr std::array<seconds, 5> kBackOff = {seconds(2), seconds(6), seconds(14), seconds(30), seconds(20)};
constexpr seconds kLeastPause{2};
constexpr seconds kBriefBackOff{1};
constexpr int kBriefAttempts = 3;
// What the last attempt needs before its callers' deadline.
constexpr seconds kLastAttempt{3};

// As wanted, but no slow attempt is to be under way at the last chance. One over a kept connection may take
// twice as long as the one before.
SteadyTime fit(SteadyTime earliest, SteadyTime wanted, nanoseconds last_took, SteadyTime last_chance) {
  if (last_took < kLeastPause || wanted + 2 * last_took + kLeastPause <= last_chance) {
    return std::min(wanted, last_chance);
  }
  const SteadyTime latest = last_chance - 2 * last_took - kLeastPause;
  return latest >= earliest ? latest : last_chance;
}

}  // namespace

token::FetchResult left_alone(nanoseconds time, const token::Failure& failure) {
  const auto whole = std::max(std::chrono::ceil<seconds>(time), seconds(1));
  return token::Failure{
      .error = failure.error.within("leave IMDS alone for " + std::to_string(whole.count()) + " s"),
      .remedy = token::Remedy::leave_alone,
      .retry_after = whole};
}

std::optional<SteadyTime> Flight::next_attempt(SteadyTime now) {
  if (waiters.empty() || !last_answer) {
    return std::nullopt;
  }
  seconds wait = next_wait;
  if (!*last_answer) {
    const token::Failure failure = last_answer->error();
    if (failure.remedy == token::Remedy::come_back) {  // its turn was given up just before somebody joined
      return now;
    }
    const std::optional<seconds> wanted = wait_after(failure, now);
    if (!wanted) {
      return std::nullopt;
    }
    wait = *wanted;
  }
  const SteadyTime last_chance = deadline() - kLastAttempt;
  if (last_chance - now < seconds(1)) {
    return std::nullopt;
  }
  return fit(std::max(now + kLeastPause, left_alone_until), now + wait, now - last_began, last_chance);
}

std::optional<seconds> Flight::wait_after(const token::Failure& failure, SteadyTime now) {
  const auto number = static_cast<std::size_t>(std::max(attempts - 1, 0));
  seconds wait = kBackOff.at(std::min(number, kBackOff.size() - 1));
  if (failure.remedy == token::Remedy::retry_briefly) {
    if (attempts >= kBriefAttempts) {
      return std::nullopt;
    }
    wait = kBriefBackOff;
  }
  if (failure.remedy == token::Remedy::retry_soon) {
    wait = kLeastPause;
  }
  const seconds asked_for = failure.retry_after.value_or(seconds(0));
  if (asked_for > seconds(0)) {
    if (now + asked_for > deadline() - kLastAttempt) {
      last_answer = left_alone(asked_for, failure);
      return std::nullopt;
    }
    leave_imds_alone_until(now + asked_for);
  }
  return std::max(wait, asked_for);
}

SteadyTime Flight::deadline() const {
  SteadyTime last = SteadyTime::min();
  for (const Waiter& waiter : waiters) {
    last = std::max(last, waiter.deadline);
  }
  return last;
}

void Flight::leave_imds_alone_until(SteadyTime time) {
  left_alone_until = time;
  for (const Waiter& waiter : waiters) {
    if (waiter.deadline - kLastAttempt < time) {
      waiter.alarm->ring();
    }
  }
}

}  // namespace msi2imds::broker
