// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/fair_rate.hpp"
#include "base/holder.hpp"

namespace msi2imds::responder {

// Keeps warnings about callers to so many a second of one holder and of all, and says how many were left out.
class Warnings {
 public:
  // Whether another one may be logged; else it counts as left out.
  [[nodiscard]] bool has_room_for(const Holder& holder);

  // Logs how many were left out since the last time.
  void tell_left_out();

  [[nodiscard]] std::uint64_t left_out() const {
    return left_out_;
  }

 private:
  FairRate rate_{100};
  std::uint64_t left_out_ = 0;
  std::uint64_t told_ = 0;  // of left_out_
};

}  // namespace msi2imds::responder
