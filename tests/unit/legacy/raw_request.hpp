// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "http/message.hpp"

namespace msi2imds::legacy {

// Cuts the bytes of one request into a message, well enough for captures and for the fuzzer: no framing is
// checked.
[[nodiscard]] http::Request split_request(std::string_view bytes);

}  // namespace msi2imds::legacy
