// SPDX-License-Identifier: MIT
#pragma once

#include <boost/assert/source_location.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace msi2imds::legacy {

// What is wrong with a request, before anybody is asked for a token.
enum class Fault : std::uint8_t {
  method_not_allowed,
  bad_host,      // HTTP/1.1 without a Host header, or more than one
  foreign_host,  // the Host is not this machine's loopback: DNS rebinding
  forwarded,     // a proxy or a web page sent it
  unknown_source,
  missing_metadata_header,
  missing_resource,
  invalid_parameter,
};

struct Rejection {
  Fault fault = Fault::invalid_parameter;
  std::string description;  // for the caller: what is wrong and what would be right
};

[[noreturn]] void throw_exception_from_error(const Rejection& rejection, const boost::source_location& where);

// A stranger's text, fit for a description: its beginning, with control characters made visible.
[[nodiscard]] std::string excerpt(std::string_view text);

}  // namespace msi2imds::legacy
