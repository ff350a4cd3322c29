// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace msi2imds {

// Whom a connection, a byte or a turn counts towards where there is not enough for all: first somebody with
// all his uids, then the uid.
struct Holder {
  std::uint32_t owner = 0xffffffff;  // nobody knows who
  std::uint32_t uid = 0xffffffff;

  [[nodiscard]] bool is_known() const {
    return *this != Holder();
  }

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes a zero of the compiler's for a pointer
  friend auto operator<=>(const Holder&, const Holder&) = default;
};

// Uids that are one user's, such as subordinate ones (/etc/subuid): from `first` on, so many. Without an
// owner each of them is a user.
struct OwnedUids {
  std::optional<std::uint32_t> owner = 0;
  std::uint32_t first = 0;
  std::uint32_t count = 0;

  friend bool operator==(const OwnedUids&, const OwnedUids&) = default;
};

// Tells holders apart. A user may have thousands of uids, which together count as one holder: those that are
// known to be his, and where that is not known uids from 65536 on by their block of 65536, which is how many
// a container or a user namespace gets.
class Holders {
 public:
  Holders() = default;
  explicit Holders(std::vector<OwnedUids> owned);

  // From lines OWNER:FIRST:COUNT, in numbers, or with * for no owner; whatever is none is passed over.
  [[nodiscard]] static Holders parse(std::string_view lines);

  // Who is unknown shares with all who are.
  [[nodiscard]] Holder of(std::optional<std::uint32_t> uid) const;

 private:
  std::vector<OwnedUids> owned_;  // those without an owner, then the others; by first
};

}  // namespace msi2imds
