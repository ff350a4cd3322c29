// SPDX-License-Identifier: MIT
#pragma once

#include <boost/system/error_code.hpp>
#include <type_traits>

namespace msi2imds::usage {

enum class Errc {
  damaged = 1,    // not what to_json() wrote
  newer_version,  // intact, but written by a later msi2imds: must not be replaced
};

const boost::system::error_category& error_category();

inline boost::system::error_code make_error_code(Errc errc) {
  return {static_cast<int>(errc), error_category()};
}

}  // namespace msi2imds::usage

template <>
struct boost::system::is_error_code_enum<msi2imds::usage::Errc> : std::true_type {};
