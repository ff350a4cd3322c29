// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "imds_emulator/fault.hpp"

namespace msi2imds::emulator {

// The faults that wait for token requests, oldest first.
class FaultList {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void append(std::vector<Fault> faults);
  void clear();

  // The first live fault for this target over a connection made at that time, used up by one request.
  [[nodiscard]] std::optional<Fault> take(std::string_view target, Time connected, Time now);

  // Grows with each clear(), which ends the faults that are under way.
  [[nodiscard]] std::uint64_t generation() const {
    return generation_;
  }
  [[nodiscard]] boost::json::object to_json(Time now) const;

 private:
  std::vector<Fault> faults_;
  std::uint64_t generation_ = 0;
  std::uint64_t taken_ = 0;
};

}  // namespace msi2imds::emulator
