// SPDX-License-Identifier: MIT
#include "http/errors.hpp"

#include "base/error_category.hpp"

namespace msi2imds::http {
namespace {

const char* explain(Errc errc) {
  switch (errc) {
    case Errc::ended:
      return "the connection ended before the answer did";
    case Errc::not_http:
      return "the answer is not valid HTTP/1.1";
    case Errc::too_large:
      return "the answer is too large";
  }
  return "unknown error";
}

}  // namespace

const boost::system::error_category& error_category() {
  static const ErrorCategory<Errc> category("http", explain);
  return category;
}

}  // namespace msi2imds::http
