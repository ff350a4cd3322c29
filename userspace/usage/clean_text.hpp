// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace msi2imds::usage {

inline constexpr std::size_t kMaxText = 256;

// A stranger's text as the table keeps it: valid UTF-8 of at most kMaxText bytes, without an allocation. What
// is cut ends in "...", bytes that are no UTF-8 become U+FFFD. Control characters stay: who shows it escapes
// them.
class CleanText {
 public:
  // `raw` must outlive it: a text that is clean, as nearly all are, is not copied.
  explicit CleanText(std::string_view raw);
  CleanText(const CleanText&) = delete;
  CleanText& operator=(const CleanText&) = delete;
  ~CleanText() = default;

  [[nodiscard]] std::string_view view() const {
    return view_;
  }

 private:
  [[nodiscard]] std::string_view copy(std::string_view raw);

  std::array<char, kMaxText> bytes_;  // of a text that is not clean
  std::string_view view_;
};

// Whether CleanText would leave it as it is.
[[nodiscard]] bool is_clean(std::string_view text);

}  // namespace msi2imds::usage
