// SPDX-License-Identifier: MIT
#include "usage/clean_text.hpp"

#include <algorithm>

#include "base/utf8.hpp"

namespace msi2imds::usage {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
constexpr std::string_view kCut = "...";

}  // namespace

CleanText::CleanText(std::string_view raw) {
  while (!raw.empty()) {
    const std::size_t size = first_code_point(raw).size;
    const std::string_view piece = size == 0 ? kReplacement : raw.substr(0, size);
    if (size_ + piece.size() > kMaxText) {
      size_ = std::min(size_, kMaxText - kCut.size());
      while (is_utf8_continuation(bytes_[size_])) {
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

}  // namespace msi2imds::usage
