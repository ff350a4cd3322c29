// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace msi2imds {

// Keeps a failure that comes back with every attempt from being logged each time: it is told once, and again
// when it is another one, or when something has succeeded in between.
class ToldOnce {
 public:
  // Whether it is to be told; from here on, it was.
  [[nodiscard]] bool is_new(std::string_view failure) {
    if (has_told_ && told_ == failure) {
      return false;
    }
    told_ = failure;
    has_told_ = true;
    return true;
  }

  // It has succeeded.
  void forget() {
    has_told_ = false;
  }

 private:
  std::string told_;
  bool has_told_ = false;
};

}  // namespace msi2imds
