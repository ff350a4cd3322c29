// SPDX-License-Identifier: MIT
#include "redirect/owner.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <random>

namespace msi2imds::redirect {
namespace {

constexpr std::size_t kDigits = 8;

bool is_digit_of_owner(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

}  // namespace

std::string new_owner() {
  std::random_device random;
  return fmt::format("{:0{}x}", random(), kDigits);
}

bool is_owner(std::string_view name) {
  return name.size() == kDigits && std::all_of(name.begin(), name.end(), is_digit_of_owner);
}

}  // namespace msi2imds::redirect
