// SPDX-License-Identifier: MIT
#include "resolver/sha256.hpp"

#include <algorithm>
#include <bit>

namespace msi2imds::resolver {
namespace {

constexpr std::array<std::uint32_t, 64> kRound = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

std::uint32_t big_endian_at(const std::uint8_t* bytes) {
  return (std::uint32_t{bytes[0]} << 24) | (std::uint32_t{bytes[1]} << 16) | (std::uint32_t{bytes[2]} << 8) |
         std::uint32_t{bytes[3]};
}

std::uint32_t small_sigma(std::uint32_t x, int one, int two, int shift) {
  return std::rotr(x, one) ^ std::rotr(x, two) ^ (x >> shift);
}

std::uint32_t big_sigma(std::uint32_t x, int one, int two, int three) {
  return std::rotr(x, one) ^ std::rotr(x, two) ^ std::rotr(x, three);
}

}  // namespace

void Sha256::add(std::span<const std::uint8_t> bytes) {
  const std::size_t held = size_ % kBlock;
  size_ += bytes.size();
  if (held > 0) {
    const std::size_t taken = std::min(kBlock - held, bytes.size());
    std::copy_n(bytes.begin(), taken, rest_.begin() + held);
    bytes = bytes.subspan(taken);
    if (held + taken < kBlock) {
      return;
    }
    add_block(rest_.data());
  }
  while (bytes.size() >= kBlock) {
    add_block(bytes.data());
    bytes = bytes.subspan(kBlock);
  }
  std::ranges::copy(bytes, rest_.begin());
}

std::string Sha256::finish() {
  const std::uint64_t bits = size_ * 8;
  std::array<std::uint8_t, 2 * kBlock> end = {0x80};
  const std::size_t held = size_ % kBlock;
  const std::size_t padding = (held < 56 ? 56 : 56 + kBlock) - held;
  for (std::size_t i = 0; i < 8; ++i) {
    end.at(padding + i) = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
  }
  add(std::span(end).first(padding + 8));
  std::string text;
  for (const std::uint32_t word : state_) {
    for (int shift = 28; shift >= 0; shift -= 4) {
      text += "0123456789abcdef"[(word >> shift) & 0xf];
    }
  }
  return text;
}

void Sha256::add_block(const std::uint8_t* block) {
  std::array<std::uint32_t, 64> words{};
  for (std::size_t i = 0; i < 16; ++i) {
    words[i] = big_endian_at(block + 4 * i);
  }
  for (std::size_t i = 16; i < words.size(); ++i) {
    words[i] = words[i - 16] + small_sigma(words[i - 15], 7, 18, 3) + words[i - 7] +
               small_sigma(words[i - 2], 17, 19, 10);
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::uint32_t first = h + big_sigma(e, 6, 11, 25) + ((e & f) ^ (~e & g)) + kRound[i] + words[i];
    const std::uint32_t second = big_sigma(a, 2, 13, 22) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  const std::array<std::uint32_t, 8> added = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < state_.size(); ++i) {
    state_[i] += added[i];
  }
}

}  // namespace msi2imds::resolver
