// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace msi2imds::resolver {

// The SHA-256 of what it is given, piece by piece (FIPS 180-4).
class Sha256 {
 public:
  void add(std::span<const std::uint8_t> bytes);

  // In lower-case hexadecimal digits. Ends the calculation.
  [[nodiscard]] std::string finish();

 private:
  static constexpr std::size_t kBlock = 64;

  void add_block(const std::uint8_t* block);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, kBlock> rest_{};  // size_ % kBlock bytes
  std::uint64_t size_ = 0;
};

}  // namespace msi2imds::resolver
