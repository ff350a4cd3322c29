// SPDX-License-Identifier: MIT
#include "broker/life.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace msi2imds::broker {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::int64_t kLatest = 9'000'000'000;  // 2255: nanoseconds do not go much further
constexpr std::int64_t kLongestLife = 24L * 60 * 60;
// As much as issuers allow clocks to differ.
constexpr std::int64_t kUsualDifference = 300;
// IMDS's seconds are whole, and its answer takes its time.
constexpr std::int64_t kAgreement = 2;

std::int64_t end_of(const token::Token& token) {
  return std::min(token.expires_on, kLatest);
}

// What the token says of its life from beginning to end.
std::optional<std::int64_t> whole_life(const token::Token& token) {
  return token.not_before == 0 ? std::nullopt
                               : std::optional(end_of(token) - std::min(token.not_before, kLatest));
}

// IMDS gives out as alive what this machine's clock calls dead. IMDS's clock is certainly behind if it sees
// more of the token's life left than the token ever had; else this machine's is taken to be ahead.
bool only_imds_is_right(const token::Token& token, nanoseconds left_here) {
  const std::int64_t most = whole_life(token).value_or(kLongestLife);
  return left_here <= nanoseconds(0) && token.expires_in && *token.expires_in > 0 && most > 0 &&
         *token.expires_in <= most + kUsualDifference;
}

}  // namespace

Life::Life(const token::Token& token, const Moment& asked)
    : stated_(token.expires_on),
      asked_(asked.boot),
      length_(seconds(end_of(token)) - asked.wall.time_since_epoch()) {
  if (only_imds_is_right(token, length_)) {
    believes_wall_ = false;
    length_ = seconds(kLatest);
  }
  if (token.expires_in) {
    length_ = std::min<nanoseconds>(length_, seconds(std::min(*token.expires_in, kLatest)));
  }
  if (const std::optional<std::int64_t> whole = whole_life(token)) {
    length_ = std::min<nanoseconds>(length_, seconds(*whole));
  }
}

Life::Record Life::record() const {
  return {.stated = stated_,
          .asked = asked_.time_since_epoch().count(),
          .length = length_.count(),
          .believes_wall = believes_wall_};
}

std::optional<Life> Life::from(const Record& record, const Moment& now) {
  Life life;
  life.stated_ = record.stated;
  life.asked_ = BootTime(nanoseconds(record.asked));
  life.length_ = nanoseconds(record.length);
  life.believes_wall_ = record.believes_wall;
  // Where this machine's clock is believed, it ends where that says so.
  const seconds longest(life.believes_wall_ ? std::min(record.stated, kLatest) : kLatest);
  const bool is_possible = record.stated >= 0 && life.asked_ >= BootTime() && life.asked_ <= now.boot &&
                           life.length_ > nanoseconds(0) && life.length_ <= longest;
  return is_possible ? std::optional(life) : std::nullopt;
}

nanoseconds Life::age(const Moment& now) const {
  const nanoseconds age = now.boot - asked_;
  if (!believes_wall_) {
    return age;
  }
  const nanoseconds left_by_wall = seconds(std::min(stated_, kLatest)) - now.wall.time_since_epoch();
  return std::max(age, length_ - left_by_wall);
}

std::int64_t Life::expires_on(const Moment& now) const {
  using std::chrono::microseconds;  // nanoseconds do not go so far
  const auto end = std::chrono::floor<seconds>(std::chrono::floor<microseconds>(now.wall.time_since_epoch()) +
                                               std::chrono::floor<microseconds>(left(now)))
                       .count();
  return std::abs(end - std::min(stated_, kLatest)) <= kAgreement ? stated_ : end;
}

}  // namespace msi2imds::broker
