// SPDX-License-Identifier: MIT
#include "http/errors.hpp"

#include <string>

namespace msi2imds::http {
namespace {

class Category final : public boost::system::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override {
    return "http";
  }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::ended:
        return "the connection ended before the answer did";
      case Errc::not_http:
        return "the answer is not valid HTTP/1.1";
      case Errc::too_large:
        return "the answer is too large";
    }
    return "unknown error";
  }
};

}  // namespace

const boost::system::error_category& error_category() {
  static const Category category;
  return category;
}

boost::system::error_code make_error_code(Errc errc) {
  return {static_cast<int>(errc), error_category()};
}

}  // namespace msi2imds::http
