// SPDX-License-Identifier: MIT
#include "base/number_of.hpp"

namespace msi2imds {

std::string number_of(std::uint64_t number, std::string_view noun) {
  std::string text = std::to_string(number);
  text += ' ';
  text += noun;
  if (number != 1) {
    text += 's';
  }
  return text;
}

}  // namespace msi2imds
