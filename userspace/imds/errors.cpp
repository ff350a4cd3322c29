// SPDX-License-Identifier: MIT
#include "imds/errors.hpp"

#include "base/error_category.hpp"

namespace msi2imds::imds {
namespace {

const char* explain(Errc errc) {
  switch (errc) {
    case Errc::cannot_connect:
      return "IMDS cannot be reached";
    case Errc::timed_out:
      return "IMDS did not answer in time";
    case Errc::connection_lost:
      return "IMDS closed the connection before its answer was complete";
    case Errc::too_large:
      return "IMDS sent an answer that is too large";
    case Errc::unavailable:
      return "IMDS is not available at the moment";
    case Errc::unexpected_status:
      return "IMDS sent an unexpected status";
    case Errc::not_json:
      return "IMDS sent something that is not a JSON object";
    case Errc::other_identity:
      return "IMDS sent a token of another identity";
    case Errc::mixed_up:
      return "IMDS sent the answer to another question";
    case Errc::bad_token:
      return "IMDS sent a token that cannot be used";
  }
  return "unknown error";
}

}  // namespace

const boost::system::error_category& error_category() {
  static const ErrorCategory<Errc> category("imds", explain);
  return category;
}

}  // namespace msi2imds::imds
