// SPDX-License-Identifier: MIT
#include "imds_emulator/query.hpp"

#include <cstddef>
#include <optional>

namespace msi2imds::emulator {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool needs_escape(char c) {
  constexpr std::string_view kReserved = "\"#<>[\\]^`{|}";
  return c <= ' ' || c >= '\x7f' || kReserved.find(c) != std::string_view::npos;
}

std::optional<char> decode_escape(std::string_view digits) {
  if (digits.size() != 2 || hex_value(digits[0]) < 0 || hex_value(digits[1]) < 0) {
    return std::nullopt;
  }
  return static_cast<char>(hex_value(digits[0]) * 16 + hex_value(digits[1]));
}

Result<std::string> decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const auto decoded = decode_escape(text.substr(i + 1, 2));
      if (!decoded) {
        return Error(boost::system::error_code(), "decode a percent escape");
      }
      out += *decoded;
      i += 2;
    } else if (needs_escape(text[i])) {
      return Error(boost::system::error_code(), "read a character that has to be percent-encoded");
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace

Result<std::vector<Parameter>> parse_query(std::string_view query) {
  std::vector<Parameter> parameters;
  while (!query.empty()) {
    const std::string_view segment = query.substr(0, query.find('&'));
    query.remove_prefix(segment.size() == query.size() ? segment.size() : segment.size() + 1);
    const std::size_t equals = segment.find('=');

    auto name = decode(segment.substr(0, equals));
    if (!name) {
      return name.error();
    }
    auto value = decode(equals == std::string_view::npos ? std::string_view() : segment.substr(equals + 1));
    if (!value) {
      return value.error();
    }
    parameters.push_back({.name = std::move(*name), .value = std::move(*value)});
  }
  return parameters;
}

}  // namespace msi2imds::emulator
