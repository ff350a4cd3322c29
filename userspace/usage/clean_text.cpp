// SPDX-License-Identifier: MIT
#include "usage/clean_text.hpp"

#include <algorithm>
#include <cstdint>

namespace msi2imds::usage {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
constexpr std::string_view kCut = "...";
constexpr std::string_view kHexDigits = "0123456789abcdef";

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t size = 0;  // 0: not UTF-8
};

std::uint32_t byte_at(std::string_view text, std::size_t place) {
  return static_cast<unsigned char>(text[place]);
}

bool is_continuation(std::uint32_t byte) {
  return (byte & 0xc0U) == 0x80U;
}

CodePoint decode(std::string_view text) {
  const std::uint32_t first = byte_at(text, 0);
  if (first < 0x80) {
    return {first, 1};
  }
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) {
    return {};
  }
  std::uint32_t value = first & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if (!is_continuation(byte_at(text, i))) {
      return {};
    }
    value = (value << 6U) | (byte_at(text, i) & 0x3fU);
  }
  const bool is_overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
  if (is_overlong || is_surrogate || value > 0x10ffff) {
    return {};
  }
  return {value, size};
}

void append_escape(std::string& out, std::uint32_t unit) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) {
    out += kHexDigits[(unit >> static_cast<unsigned>(shift)) & 0xfU];
  }
}

}  // namespace

CleanText::CleanText(std::string_view raw) {
  while (!raw.empty()) {
    const std::size_t size = decode(raw).size;
    const std::string_view piece = size == 0 ? kReplacement : raw.substr(0, size);
    if (size_ + piece.size() > kMaxText) {
      size_ = std::min(size_, kMaxText - kCut.size());
      while (is_continuation(byte_at({bytes_.data(), kMaxText}, size_))) {
        --size_;
      }
      size_ = static_cast<std::size_t>(std::copy(kCut.begin(), kCut.end(), bytes_.begin() + size_) -
                                       bytes_.begin());
      return;
    }
    std::copy(piece.begin(), piece.end(), bytes_.begin() + size_);
    size_ += piece.size();
    raw.remove_prefix(size == 0 ? 1 : size);
  }
}

bool is_clean(std::string_view text) {
  return CleanText(text).view() == text;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const CodePoint point = decode(text);
    const std::uint32_t value = point.size == 0 ? 0xfffd : point.value;
    if (value == '"' || value == '\\') {
      out += '\\';
      out += static_cast<char>(value);
    } else if (value > 0xffff) {
      append_escape(out, 0xd800U + ((value - 0x10000U) >> 10U));
      append_escape(out, 0xdc00U + ((value - 0x10000U) & 0x3ffU));
    } else if (value < 0x20 || value > 0x7e || value == '<' || value == '>' || value == '&') {
      append_escape(out, value);
    } else {
      out += static_cast<char>(value);
    }
    text.remove_prefix(std::max<std::size_t>(point.size, 1));
  }
  out += '"';
}

}  // namespace msi2imds::usage
