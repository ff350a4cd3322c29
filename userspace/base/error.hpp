// SPDX-License-Identifier: MIT
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <string>
#include <string_view>

namespace msi2imds {

// Why something failed: a code to decide on and a verb phrase of what was being done, to show.
class Error {
 public:
  Error() = default;
  Error(boost::system::error_code code, std::string context);

  // `err` is an errno value (positive); pass it as read right after the failing call.
  static Error from_errno(int err, std::string context);

  [[nodiscard]] const boost::system::error_code& code() const {
    return code_;
  }

  // "attach sk_lookup: Operation not permitted"
  [[nodiscard]] std::string message() const;

  // Puts what the caller was doing before what is already known.
  [[nodiscard]] Error within(std::string_view context) const;

 private:
  boost::system::error_code code_;
  std::string context_;
};

template <typename T>
using Result = boost::system::result<T, Error>;

// What boost::system::result calls when .value() meets an error, which is a bug of ours.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

}  // namespace msi2imds
