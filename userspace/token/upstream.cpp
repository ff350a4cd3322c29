// SPDX-License-Identifier: MIT
#include "token/upstream.hpp"

namespace msi2imds::token {

Failure without_turn() {
  return {.error = Error({}, "nobody waited for the answer of IMDS"),
          .remedy = Remedy::come_back,
          .retry_after = {}};
}

}  // namespace msi2imds::token
