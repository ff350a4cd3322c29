// SPDX-License-Identifier: MIT
#include "migration/clock.hpp"

#include <ctime>
#include <string>

namespace msi2imds::migration {
namespace {

using std::chrono::seconds;

// "Sun, 06 Nov 1994 08:49:37 GMT": the only form that servers may send (RFC 9110, section 5.6.7).
std::optional<seconds> unix_time_of(const std::string& date) {
  std::tm fields{};
  const char* end = ::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &fields);
  if (end == nullptr || *end != '\0') {
    return std::nullopt;
  }
  return seconds(::timegm(&fields));
}

// The server's clock showed `theirs`, in whole seconds, at some time between question and answer.
seconds ahead_of(seconds theirs, const Asked& when) {
  const auto earliest = std::chrono::floor<seconds>(when.asked.time_since_epoch());
  const auto latest = std::chrono::floor<seconds>(when.answered.time_since_epoch());
  if (earliest > theirs) {
    return earliest - theirs;
  }
  return latest < theirs ? latest - theirs : seconds(0);
}

}  // namespace

std::optional<seconds> clock_ahead(const http::Answer& answer, const Asked& when) {
  const std::string* date = answer.header("Date");
  const std::optional<seconds> theirs = date != nullptr ? unix_time_of(*date) : std::nullopt;
  return theirs ? std::optional(ahead_of(*theirs, when)) : std::nullopt;
}

std::optional<seconds> clock_ahead(const token::Token& token, const Asked& when) {
  if (token.expires_in) {
    return ahead_of(seconds(token.expires_on - *token.expires_in), when);
  }
  const seconds behind = ahead_of(seconds(token.not_before), when);
  return behind < seconds(0) ? std::optional(behind) : std::nullopt;  // it may have begun long ago
}

}  // namespace msi2imds::migration
