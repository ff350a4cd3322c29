// SPDX-License-Identifier: MIT
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <string_view>

#include "legacy/rejection.hpp"
#include "token/token.hpp"

namespace msi2imds::legacy {

using ParseResult = boost::system::result<token::TokenRequest, Rejection>;

// Reads what is asked for from the query and the body, both undecoded; where both name the same thing, the
// query wins. `room` is memory for the resource.
[[nodiscard]] ParseResult read_parameters(std::string_view query, std::string_view body,
                                          std::string room = {});

}  // namespace msi2imds::legacy
