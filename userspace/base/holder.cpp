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

}  // namespace

Holders::Holders(std::vector<SubordinateUids> subordinates) : subordinates_(std::move(subordinates)) {
  std::ranges::sort(subordinates_, {}, &SubordinateUids::first);
}

Holders Holders::parse(std::string_view lines) {
  std::vector<SubordinateUids> ranges;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    std::array<std::uint32_t, 3> numbers{};
    const char* at = line.data();
    const char* const end = at + line.size();
    std::size_t read = 0;
    for (; read < numbers.size(); ++read) {
      const auto [next, ec] = std::from_chars(at, end, numbers.at(read));
      if (ec != std::errc() || (next == end) != (read == 2) || (next != end && *next != ':')) {
        break;
      }
      at = next + 1;
    }
    if (read == numbers.size()) {
      ranges.push_back({.owner = numbers[0], .first = numbers[1], .count = numbers[2]});
    }
  }
  return Holders(std::move(ranges));
}

Holder Holders::of(std::optional<std::uint32_t> uid) const {
  if (!uid) {
    return {};
  }
  const auto behind = std::ranges::upper_bound(subordinates_, *uid, {}, &SubordinateUids::first);
  if (behind != subordinates_.begin()) {
    const SubordinateUids& range = *std::prev(behind);
    if (*uid - range.first < range.count) {
      return {.owner = range.owner, .uid = *uid};
    }
  }
  return {.owner = *uid < kBlock ? *uid : kBlocksBegin + *uid / kBlock, .uid = *uid};
}

}  // namespace msi2imds
