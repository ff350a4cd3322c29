// SPDX-License-Identifier: MIT
#include "doctor/clock.hpp"

#include <memory>
#include <string>
#include <variant>

#include "migration/clock.hpp"

namespace msi2imds::doctor {
namespace {

using std::chrono::seconds;

constexpr const char* kClockCheck = "clock";
constexpr seconds kUnnoticed{10};
// Clients refuse tokens with less left, and who checks a token's times forgives no more.
constexpr seconds kMisleading{300};

std::optional<seconds> ahead_by_token(const config::Imds& imds) {
  token::TokenRequest request;
  request.resource = migration::kUsualResource;
  const auto asked = std::chrono::system_clock::now();
  const token::FetchResult result = migration::ask_token(imds, request);
  const auto* token = result ? std::get_if<std::shared_ptr<const token::Token>>(&*result) : nullptr;
  return token == nullptr ? std::nullopt
                          : migration::clock_ahead(
                                **token, {.asked = asked, .answered = std::chrono::system_clock::now()});
}

}  // namespace

Finding judge_clock(std::optional<seconds> ahead) {
  if (!ahead) {
    return ok(kClockCheck, "IMDS did not send its time, so this machine's clock was not compared.");
  }
  const seconds difference = std::chrono::abs(*ahead);
  if (difference <= kUnnoticed) {
    return ok(kClockCheck, "This machine's clock agrees with that of IMDS.");
  }
  const bool is_ahead = *ahead > seconds(0);
  const std::string text = "This machine's clock is " + std::to_string(difference.count()) + " s " +
                           (is_ahead ? "ahead of" : "behind") + " that of IMDS";
  const std::string advice =
      "Set the clock, and look at what should keep it right (chronyc tracking, timedatectl).";
  if (difference < kMisleading) {
    return warning(kClockCheck, text + ".", advice);
  }
  return error(
      kClockCheck,
      text + ": programs that check tokens themselves take them for " +
          (is_ahead ? "expired before they are." : "not valid yet, or valid when they have expired."),
      advice);
}

Findings check_clock(const Host& host, std::optional<seconds> by_date) {
  return {judge_clock(by_date ? by_date : ahead_by_token(host.config.imds))};
}

}  // namespace msi2imds::doctor
