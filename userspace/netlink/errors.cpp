// SPDX-License-Identifier: MIT
#include "netlink/errors.hpp"

#include <string>

namespace msi2imds::netlink {
namespace {

class Category final : public boost::system::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override {
    return "netlink";
  }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::no_such_socket:
        return "no such connection on this host";
      case Errc::other_socket:
        return "only a socket with other addresses was found";
      case Errc::no_answer:
        return "the kernel did not answer";
      case Errc::damaged_answer:
        return "the kernel's answer cannot be read";
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

}  // namespace msi2imds::netlink
