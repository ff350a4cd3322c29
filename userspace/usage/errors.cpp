// SPDX-License-Identifier: MIT
#include "usage/errors.hpp"

#include "base/error_category.hpp"

namespace msi2imds::usage {
namespace {

const char* explain(Errc errc) {
  switch (errc) {
    case Errc::damaged:
      return "the record of callers is damaged";
    case Errc::newer_version:
      return "the record of callers was made by a newer version of msi2imds";
  }
  return "unknown error";
}

}  // namespace

const boost::system::error_category& error_category() {
  static const ErrorCategory<Errc> category("usage", explain);
  return category;
}

}  // namespace msi2imds::usage
