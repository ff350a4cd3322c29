// SPDX-License-Identifier: MIT
#include "token/failure.hpp"

namespace msi2imds::token {

std::string_view to_string(Origin origin) {
  switch (origin) {
    case Origin::imds:
      return "imds";
    case Origin::joined:
      return "joined";
    case Origin::cache:
      return "cache";
  }
  return "";
}

Failure cut_short() {
  return {.error = Error({}, "msi2imds is being restarted: ask again"), .remedy = {}, .retry_after = {}};
}

void throw_exception_from_error(const Failure& failure, const boost::source_location& where) {
  msi2imds::throw_exception_from_error(failure.error, where);
}

}  // namespace msi2imds::token
