// SPDX-License-Identifier: MIT
#include "broker/room.hpp"

#include <algorithm>
#include <iterator>

namespace msi2imds::broker {

std::optional<Extent> Room::take(std::uint64_t size) {
  const auto found =
      std::find_if(free_.begin(), free_.end(), [size](const auto& extent) { return extent.second >= size; });
  if (found == free_.end()) {
    return std::nullopt;
  }
  const auto [at, free] = *found;
  free_.erase(found);
  if (free > size) {
    free_.emplace(at + size, free - size);
  }
  return Extent{.at = at, .size = size};
}

void Room::give(Extent extent) {
  if (extent.size == 0) {
    return;
  }
  const auto next = free_.lower_bound(extent.at);
  if (next != free_.end() && next->first == extent.end()) {
    extent.size += next->second;
    free_.erase(next);
  }
  const auto behind = free_.lower_bound(extent.at);
  if (behind != free_.begin()) {
    const auto before = std::prev(behind);
    if (before->first + before->second == extent.at) {
      before->second += extent.size;
      return;
    }
  }
  free_.emplace(extent.at, extent.size);
}

}  // namespace msi2imds::broker
