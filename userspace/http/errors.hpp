// SPDX-License-Identifier: MIT
#pragma once

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>

namespace msi2imds::http {

// Why a server's answer cannot be used.
enum class Errc {
  ended = 1,  // the connection ended before the answer did
  not_http,   // not HTTP/1.1, or understood differently by different readers
  too_large,
};

const boost::system::error_category& error_category();

inline boost::system::error_code make_error_code(Errc errc) {
  return {static_cast<int>(errc), error_category()};
}

}  // namespace msi2imds::http

template <>
struct boost::system::is_error_code_enum<msi2imds::http::Errc> : std::true_type {};
