// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "resolver/program_file.hpp"

namespace msi2imds::resolver {

// The SHA-256 of programs, in memory that processes share: one writes, others
// read. The last few hundred are kept.
class ProgramHashes {
 public:
  [[nodiscard]] std::optional<std::string> find(const FileKey& file) const;
  // `hash`: 64 hexadecimal digits.
  void keep(const FileKey& file, std::string_view hash);

 private:
  static constexpr std::size_t kSets = 256;
  static constexpr std::size_t kWays = 4;
  static constexpr std::size_t kKeyWords = sizeof(FileKey) / sizeof(std::uint64_t);
  static constexpr std::size_t kHashWords = 64 / sizeof(std::uint64_t);
  using Words = std::array<std::uint64_t, kKeyWords + kHashWords>;
  // A reader takes what it has read for good only if `version` is even, and the
  // same before and after.
  struct Entry {
    std::atomic<std::uint64_t> version = 0;
    std::array<std::atomic<std::uint64_t>, kKeyWords + kHashWords> words{};
  };

  [[nodiscard]] static std::optional<Words> read(const Entry& entry);
  [[nodiscard]] static std::size_t set_of(const FileKey& file);

  std::array<std::array<Entry, kWays>, kSets> sets_;
  std::array<std::uint8_t, kSets> next_{};  // the way that is written next; the writer's own
};

}  // namespace msi2imds::resolver
