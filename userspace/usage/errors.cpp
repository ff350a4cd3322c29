// SPDX-License-Identifier: MIT
#include "usage/errors.hpp"

#include <string>

namespace msi2imds::usage {
namespace {

class Category final : public boost::system::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override {
    return "usage";
  }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::damaged:
        return "the record of callers is damaged";
      case Errc::newer_version:
        return "the record of callers was made by a newer version of msi2imds";
    }
    return "unknown error";
  }
};

}  // namespace

const boost::system::error_category& category() {
  static const Category instance;
  return instance;
}

}  // namespace msi2imds::usage
