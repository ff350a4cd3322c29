// SPDX-License-Identifier: MIT
#include "responder/warnings.hpp"

#include <chrono>
#include <utility>

#include "base/log.hpp"

namespace msi2imds::responder {

bool Warnings::has_room_for(const Holder& holder) {
  if (!rate_.has(holder.owner, std::chrono::steady_clock::now())) {
    ++left_out_;
    return false;
  }
  rate_.take(holder.owner, 1);
  return true;
}

void Warnings::tell_left_out() {
  const std::uint64_t before = std::exchange(told_, left_out_);
  if (left_out_ > before) {
    log::warn("left out {} warnings about callers, which were too many", left_out_ - before);
  }
}

}  // namespace msi2imds::responder
