// SPDX-License-Identifier: MIT
#include "netlink/errors.hpp"

#include "base/error_category.hpp"

namespace msi2imds::netlink {
namespace {

const char* explain(Errc errc) {
  switch (errc) {
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

}  // namespace

const boost::system::error_category& error_category() {
  static const ErrorCategory<Errc> category("netlink", explain);
  return category;
}

}  // namespace msi2imds::netlink
