// SPDX-License-Identifier: MIT
#pragma once

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>

namespace msi2imds::netlink {

// Failures of a query to the kernel for which errno has no suitable value.
enum class Errc {
  no_such_socket = 1,  // the connection is gone, or its other end is not in this network namespace
  other_socket,        // the kernel's nearest match, such as a listener on the client's address
  no_answer,           // lost, because the receive queue was full
  damaged_answer,      // not in the form that the kernel documents
};

const boost::system::error_category& error_category();

inline boost::system::error_code make_error_code(Errc errc) {
  return {static_cast<int>(errc), error_category()};
}

}  // namespace msi2imds::netlink

template <>
struct boost::system::is_error_code_enum<msi2imds::netlink::Errc> : std::true_type {};
