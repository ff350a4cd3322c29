// SPDX-License-Identifier: MIT
#include "supervisor/port_list.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/text.hpp"

namespace msi2imds::supervisor {
namespace {

// "8" or "1-5".
bool add_range(std::string_view text, PortSet& ports) {
  const std::size_t dash = text.find('-');
  const auto first = parse_number<std::uint16_t>(text.substr(0, dash));
  const auto last =
      dash == std::string_view::npos ? first : parse_number<std::uint16_t>(text.substr(dash + 1));
  if (!first || !last || *first > *last) {
    return false;
  }
  for (std::size_t port = *first; port <= *last; ++port) {
    ports.set(port);
  }
  return true;
}

}  // namespace

std::optional<PortSet> parse_port_list(std::string_view text) {
  if (text.ends_with('\n')) {
    text.remove_suffix(1);
  }
  PortSet ports;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (!add_range(text.substr(0, comma), ports) || comma == text.size() - 1) {
      return std::nullopt;
    }
    text.remove_prefix(std::min(comma, text.size() - 1) + 1);
  }
  return ports;
}

std::string to_port_list(const PortSet& ports) {
  std::string text;
  for (std::size_t first = 0; first < ports.size(); ++first) {
    if (!ports.test(first)) {
      continue;
    }
    std::size_t last = first;
    while (last + 1 < ports.size() && ports.test(last + 1)) {
      ++last;
    }
    text += (text.empty() ? "" : ",") + std::to_string(first);
    if (last > first) {
      text += "-" + std::to_string(last);
    }
    first = last;
  }
  return text;
}

}  // namespace msi2imds::supervisor
