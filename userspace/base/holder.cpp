// SPDX-License-Identifier: MIT
#include "base/holder.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <utility>

namespace msi2imds {
namespace {

constexpr std::uint32_t kBlock = 65536;
// Owners that stand for a block of uids are told from users by their numbers, which no user has: 65534 is
// nobody, and the blocks of 32 bits are 65535 at most.
constexpr std::uint32_t kBlocksBegin = 0xffff0000;

std::pair<bool, std::uint32_t> place_of(const OwnedUids& uids) {
  return {uids.owner.has_value(), uids.first};
}

}  // namespace

Holders::Holders(std::vector<OwnedUids> owned) : owned_(std::move(owned)) {
  std::ranges::sort(owned_, {}, place_of);
}

Holders Holders::parse(std::string_view lines) {
  std::vector<OwnedUids> owned;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    const bool is_without_owner = line.starts_with("*:");
    std::array<std::uint32_t, 3> numbers{};
    const char* at = line.data() + (is_without_owner ? 2 : 0);
    const char* const end = line.data() + line.size();
    std::size_t read = is_without_owner ? 1 : 0;
    for (; read < numbers.size(); ++read) {
      const auto [next, ec] = std::from_chars(at, end, numbers.at(read));
      if (ec != std::errc() || (next == end) != (read == 2) || (next != end && *next != ':')) {
        break;
      }
      at = next + 1;
    }
    if (read == numbers.size()) {
      owned.push_back({.owner = is_without_owner ? std::nullopt : std::optional(numbers[0]),
                       .first = numbers[1],
                       .count = numbers[2]});
    }
  }
  return Holders(std::move(owned));
}

// The innermost range counts: a user may have got his own uid within somebody's subordinate ones.
Holder Holders::of(std::optional<std::uint32_t> uid) const {
  if (!uid) {
    return {};
  }
  auto range = std::ranges::upper_bound(owned_, std::pair(true, *uid), {}, place_of);
  while (range != owned_.begin()) {
    --range;
    if (*uid >= range->first && *uid - range->first < range->count) {
      return {.owner = range->owner.value_or(*uid), .uid = *uid};
    }
  }
  return {.owner = *uid < kBlock ? *uid : kBlocksBegin + *uid / kBlock, .uid = *uid};
}

}  // namespace msi2imds
