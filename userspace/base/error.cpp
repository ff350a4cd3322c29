// SPDX-License-Identifier: MIT
#include "base/error.hpp"

#include <stdexcept>
#include <utility>

namespace msi2imds {

Error::Error(boost::system::error_code code, std::string context)
    : code_(code), context_(std::move(context)) {}

Error Error::from_errno(int err, std::string context) {
  return {boost::system::error_code(err, boost::system::system_category()), std::move(context)};
}

std::string Error::message() const {
  if (!code_) {
    return context_;
  }
  if (context_.empty()) {
    return code_.message();
  }
  return context_ + ": " + code_.message();
}

Error Error::within(std::string_view context) const {
  return {code_, std::string(context) + ": " + context_};
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
  throw std::logic_error(std::string(where.file_name()) + ":" + std::to_string(where.line()) +
                         ": unchecked error: " + error.message());
}

}  // namespace msi2imds
