// SPDX-License-Identifier: MIT
#pragma once

#include "token/failure.hpp"

namespace msi2imds::imds {

// Why a request failed; success where it did not.
inline boost::system::error_code code_of(const token::FetchResult& result) {
  return result ? boost::system::error_code() : result.error().error.code();
}

}  // namespace msi2imds::imds
