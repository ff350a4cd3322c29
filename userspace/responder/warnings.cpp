// SPDX-License-Identifier: MIT
#include "responder/warnings.hpp"

#include <chrono>
#include <utility>

#include "base/log.hpp"
#include "base/number_of.hpp"

namespace msi2imds::responder {

bool Warnings::has_room_for(const Holder& holder) {
  const auto now = std::chrono::steady_clock::now();
  if (!rate_.has(holder, now)) {
    ++left_out_;
    return false;
  }
  rate_.take(holder, 1, now);
  return true;
}

void Warnings::tell_left_out() {
  const std::uint64_t before = std::exchange(told_, left_out_);
  if (left_out_ > before) {
    log::warn("left out {} about callers, which were too many", number_of(left_out_ - before, "warning"));
  }
}

}  // namespace msi2imds::responder
