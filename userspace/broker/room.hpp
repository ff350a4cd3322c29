// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace msi2imds::broker {

struct Extent {
  std::uint64_t at = 0;
  std::uint64_t size = 0;

  [[nodiscard]] std::uint64_t end() const {
    return at + size;
  }
};

// What is free of a range of bytes.
class Room {
 public:
  // The first that is large enough, or nothing.
  [[nodiscard]] std::optional<Extent> take(std::uint64_t size);

  // Free from here on; it must not be free already.
  void give(Extent extent);

  // Where, how much; no two of them touch.
  [[nodiscard]] const std::map<std::uint64_t, std::uint64_t>& extents() const {
    return free_;
  }

 private:
  std::map<std::uint64_t, std::uint64_t> free_;
};

}  // namespace msi2imds::broker
