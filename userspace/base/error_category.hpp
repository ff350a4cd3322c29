// SPDX-License-Identifier: MIT
#pragma once

#include <boost/system/error_category.hpp>
#include <string>

namespace msi2imds {

// The category of a module's own errors: `name` is the module's, and `explain` puts an error in words. Both
// live as long as the program.
template <typename Errc>
class ErrorCategory final : public boost::system::error_category {
 public:
  using Explain = const char* (*)(Errc);

  ErrorCategory(const char* name, Explain explain) : name_(name), explain_(explain) {}

  [[nodiscard]] const char* name() const noexcept override {
    return name_;
  }
  [[nodiscard]] std::string message(int value) const override {
    return explain_(static_cast<Errc>(value));
  }

 private:
  const char* name_;
  Explain explain_;
};

}  // namespace msi2imds
