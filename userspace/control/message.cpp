// SPDX-License-Identifier: MIT
#include "control/message.hpp"

#include <algorithm>

namespace msi2imds::control {

void Message::set_text(std::string_view from) {
  text.fill('\0');
  std::copy_n(from.begin(), std::min(from.size(), text.size() - 1), text.begin());
}

std::string_view Message::get_text() const {
  const auto* const end = std::find(text.begin(), text.end(), '\0');
  return {text.data(), static_cast<std::size_t>(end - text.begin())};
}

}  // namespace msi2imds::control
