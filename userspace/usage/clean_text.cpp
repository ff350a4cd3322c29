// SPDX-License-Identifier: MIT
#include "usage/clean_text.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/utf8.hpp"

namespace msi2imds::usage {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
constexpr std::string_view kCut = "...";

constexpr std::size_t kWord = sizeof(std::uint64_t);

// Most texts are looked at a word at a time.
bool begins_with_ascii_word(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  std::uint64_t word = kHighBits;
  if (text.size() >= kWord) {
    std::memcpy(&word, text.data(), kWord);
  }
  return (word & kHighBits) == 0;
}

}  // namespace

// NOLINTNEXTLINE(*-member-init): only a text that is copied needs room
CleanText::CleanText(std::string_view raw) : view_(is_clean(raw) ? raw : copy(raw)) {}

std::string_view CleanText::copy(std::string_view raw) {
  bytes_.fill('\0');
  std::size_t size = 0;
  while (!raw.empty()) {
    const std::size_t taken = first_code_point(raw).size;
    const std::string_view piece = taken == 0 ? kReplacement : raw.substr(0, taken);
    if (size + piece.size() > kMaxText) {
      size = std::min(size, kMaxText - kCut.size());
      while (is_utf8_continuation(bytes_[size])) {
        --size;
      }
      kCut.copy(bytes_.data() + size, kCut.size());
      return {bytes_.data(), size + kCut.size()};
    }
    piece.copy(bytes_.data() + size, piece.size());
    size += piece.size();
    raw.remove_prefix(taken == 0 ? 1 : taken);
  }
  return {bytes_.data(), size};
}

bool is_clean(std::string_view text) {
  if (text.size() > kMaxText) {
    return false;
  }
  while (!text.empty()) {
    const std::size_t size = begins_with_ascii_word(text) ? kWord : first_code_point(text).size;
    if (size == 0) {
      return false;
    }
    text.remove_prefix(size);
  }
  return true;
}

}  // namespace msi2imds::usage
